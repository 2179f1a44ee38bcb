"""Betas that stay in their shards: the same numbers as those that are read whole, and no copy."""

import io
import os
import tarfile
import tracemalloc

import numpy as np
import pytest
import torch

from mindeye.data.batches import PreparedSubject, epoch_order
from mindeye.data.mapped_trials import MappedRepeats, map_shards
from mindeye.data.shards import ShardWriter, read_shards

NUM_TRIALS, NUM_VOXELS = 30, 7000


def write(folder, betas, trials_per_shard=12):
    writer = ShardWriter(folder, "train", trials_per_shard)
    for trial, row in enumerate(betas):
        entry = {"image_id": 70000 - trial // 3, "subject": 3, "session": 2, "run": 5}
        writer.write(row, **entry, trial=trial, repeat=trial % 3)
    writer.close()
    return [folder / name for name in writer.names]


@pytest.fixture
def shards(tmp_path):
    return write(tmp_path, np.random.default_rng(0).normal(size=(NUM_TRIALS, NUM_VOXELS)))


@pytest.fixture
def mapped(shards):
    return map_shards(shards, subject=3, num_trials=NUM_TRIALS, num_voxels=NUM_VOXELS)


def test_what_is_mapped_is_what_webdataset_reads(shards, mapped):
    read = read_shards(shards, num_trials=NUM_TRIALS, num_voxels=NUM_VOXELS)
    np.testing.assert_array_equal(np.stack(mapped.betas), read.betas)
    assert mapped.image_ids.tolist() == read.image_ids.tolist()
    assert mapped.repeats.tolist() == read.repeats.tolist()


def test_mapping_holds_no_betas_and_the_views_cannot_be_written(shards):
    tracemalloc.start()
    mapped = map_shards(shards, subject=3, num_trials=NUM_TRIALS, num_voxels=NUM_VOXELS)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    everything = NUM_TRIALS * NUM_VOXELS * 2
    # What is held is a view a trial, its header, and nothing that grows with the voxels.
    assert sum(one.nbytes for one in mapped.betas) == everything
    assert held < everything / 8
    for one in mapped.betas:
        assert not one.flags.owndata
        assert not one.flags.writeable


@pytest.fixture
def repeats(mapped):
    return MappedRepeats(3, mapped, num_voxels=NUM_VOXELS, repeats_per_image=3)


def test_a_batch_copies_its_own_images_in_the_order_asked_for(shards, repeats):
    read = read_shards(shards, num_trials=NUM_TRIALS, num_voxels=NUM_VOXELS)
    batch = repeats.take(torch.tensor([4, 0]))
    assert batch.image_ids.tolist() == [69995, 69991]
    for row, image_id in enumerate(batch.image_ids.tolist()):
        shown = read.betas[read.image_ids == image_id]
        np.testing.assert_array_equal(batch.betas[row].numpy(), shown)
    batch.betas[:] = 7
    np.testing.assert_array_equal(
        repeats.take(torch.tensor([4])).betas[0].numpy(), read.betas[read.image_ids == 69995]
    )


def test_another_epoch_is_another_order_of_numbers_and_touches_no_betas(repeats):
    tracemalloc.start()
    orders = [epoch_order(len(repeats.image_ids), 2, seed=0, epoch=epoch) for epoch in range(3)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len({tuple(order.ravel()) for order in orders}) == 3
    assert peak < NUM_TRIALS * NUM_VOXELS * 2 / 8


def test_absent_repeats_are_zero_and_not_present(mapped):
    fewer = mapped._replace(
        betas=mapped.betas[:-1], image_ids=mapped.image_ids[:-1], repeats=mapped.repeats[:-1]
    )
    repeats = MappedRepeats(3, fewer, num_voxels=NUM_VOXELS, repeats_per_image=3)
    batch = repeats.take(torch.tensor([0, 1]))
    assert batch.present.tolist() == [[True, True, False], [True, True, True]]
    assert not batch.betas[0, 2].any()
    assert batch.betas[0, :2].any()


def test_a_prepared_split_is_the_same_mapped_and_as_single_trials(prepared_path):
    prepared = PreparedSubject(prepared_path)
    for split in ("train", "validation", "test"):
        repeats, trials = prepared.mapped_repeats(split), prepared.trials(split)
        batch = repeats.take(torch.arange(len(repeats.image_ids)))
        assert batch.present.sum() == len(trials.betas)
        for row, image_id in enumerate(batch.image_ids.tolist()):
            shown = trials.betas[trials.image_ids == image_id]
            assert torch.equal(batch.betas[row][batch.present[row]], shown)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.75, 0.9])
def test_a_truncated_shard_is_refused(shards, share):
    content = shards[1].read_bytes().rstrip(b"\0")
    shards[1].write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"train-000001.tar"):
        map_shards(shards, subject=3, num_trials=NUM_TRIALS, num_voxels=NUM_VOXELS)


def test_other_counts_than_promised_are_refused(shards):
    with pytest.raises(ValueError, match="hold 30 trials, but the manifest promises 31"):
        map_shards(shards, subject=3, num_trials=31, num_voxels=NUM_VOXELS)
    with pytest.raises(ValueError, match=r"shape \(7000,\), but the manifest promises 5 voxels"):
        map_shards(shards, subject=3, num_trials=30, num_voxels=5)


def test_trials_of_another_subject_are_refused(shards):
    with pytest.raises(ValueError, match=r"trials of subject 3, but the manifest is of subject 4"):
        map_shards(shards, subject=4, num_trials=30, num_voxels=NUM_VOXELS)


def test_a_shard_that_is_cut_while_it_is_mapped_is_named_and_a_lost_one_is_not_missed(
    shards, repeats
):
    before = repeats.take(torch.tensor([4, 0]))
    shards[0].unlink()
    assert torch.equal(repeats.take(torch.tensor([4, 0])).betas, before.betas)
    os.truncate(shards[1], 512)
    # Reading the map beyond its file would end the process without a word.
    with pytest.raises(ValueError, match=r"train-000001\.tar has 512 bytes, but had \d+ when"):
        repeats.take(torch.tensor([4, 0]))


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-000000.tar is missing"):
        map_shards([tmp_path / "train-000000.tar"], subject=3, num_trials=1, num_voxels=1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([object()]), "no plain row of numbers"),
        (np.zeros(1, dtype=np.float32), r"a trial is float32 of shape \(1,\)"),
    ],
)
def test_a_pickle_or_another_type_in_an_array_s_place_is_refused(tmp_path, array, message):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    path = tmp_path / "train-000000.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in {"a.betas.npy": stream.getvalue(), "a.json": b"{}"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(ValueError, match=message):
        map_shards([path], subject=3, num_trials=1, num_voxels=1)
