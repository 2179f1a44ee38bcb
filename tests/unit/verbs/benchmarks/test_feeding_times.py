"""The benchmark's shards are a subject's, and its batches what a training is fed."""

import numpy as np
import pytest
import torch

from mindeye.data.mapped_trials import MappedRepeats, map_shards
from mindeye.data.shards import read_shards
from mindeye.verbs.benchmarks import feeding_times
from mindeye.verbs.benchmarks.feeding_times import feeding_sentences, measure_feeding, write_shards

NUM_IMAGES, NUM_VOXELS = 70, 900


@pytest.fixture(autouse=True)
def small(monkeypatch):
    sizes = {"NUM_IMAGES": NUM_IMAGES, "NUM_VOXELS": NUM_VOXELS, "BATCH": 8, "CONSUMED_PER_S": 4000}
    for name, value in sizes.items():
        monkeypatch.setattr(feeding_times, name, value)


def test_every_image_is_there_three_times_with_betas_of_its_own(tmp_path):
    write_shards(tmp_path / "work")
    paths = sorted((tmp_path / "work").glob("*.tar"))
    table = read_shards(paths, num_trials=3 * NUM_IMAGES, num_voxels=NUM_VOXELS)
    for image in range(NUM_IMAGES):
        assert table.repeats[table.image_ids == image].tolist() == [0, 1, 2]
    assert len(np.unique(table.betas[:, :50], axis=0)) == 3 * NUM_IMAGES
    assert table.betas.astype(np.float32).std() == pytest.approx(1, abs=0.05)


def test_an_epoch_hands_on_one_scan_of_each_image(tmp_path):
    write_shards(tmp_path / "work")
    paths = sorted((tmp_path / "work").glob("*.tar"))
    trials = map_shards(paths, subject=1, num_trials=3 * NUM_IMAGES, num_voxels=NUM_VOXELS)
    repeats = MappedRepeats(1, trials, num_voxels=NUM_VOXELS, repeats_per_image=3)
    batches = list(feeding_times._batches(repeats, 0))
    assert [batch.shape for batch in batches] == 8 * [torch.Size([8, NUM_VOXELS])]
    assert all(batch.std() > 0.3 for batch in batches)


def test_what_is_measured_is_said(tmp_path):
    write_shards(tmp_path / "work")
    seen = measure_feeding(tmp_path / "work")
    assert seen["betas_mb"] == pytest.approx(3 * NUM_IMAGES * NUM_VOXELS * 2 / 1e6)
    assert seen["order_mb"] < 0.02
    assert 0 < seen["busy_share"] <= 1
    assert 0 < seen["busy_share_ahead"] <= 1
    lines = feeding_sentences(seen).splitlines()
    assert len(lines) == 3
    assert f"{seen['second_epoch_per_s']:,.0f} in the second" in lines[0]
