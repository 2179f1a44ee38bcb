import json
from dataclasses import replace

import open_clip
import pytest
import torch

from mindeye.verbs.benchmarks.random_generators import num_parameters, plans_of
from mindeye.verbs.benchmarks.random_in_memory import generator_plan
from mindeye.verbs.benchmarks.whole_reconstruction import (
    CLIP,
    REST,
    WholeSetting,
    summary,
    whole_reconstruction,
)

SETTING = WholeSetting(images=2, candidates=2, steps=3, threads=1, batch=3)


@pytest.fixture(autouse=True)
def torch_threads():
    """The benchmark chooses its threads; later tests get what there was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_rounds_are_told_and_written_and_their_folders_are_gone(tmp_path):
    lines = list(whole_reconstruction(SETTING, 2, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["whole-reconstruction.json"]
    saved = json.loads((tmp_path / "whole-reconstruction.json").read_text())
    assert saved["networks"] == "random weights"
    assert saved["batch"] == 3
    assert len(saved["rounds"]) == 2
    for one in saved["rounds"]:
        wall = one.pop("wall")
        assert min(one.values()) > 0
        assert sum(one.values()) == pytest.approx(wall)
    assert sum(saved["shares"].values()) == pytest.approx(1)
    heads = [line for line in lines if line.startswith("After")]
    assert len(heads) == 2
    assert all("RANDOM" in line and "3 pictures at once" in line for line in heads)
    assert lines[-1].startswith("EXTRAPOLATED from 2 images: 982 images x 2 candidates")
    assert f"({saved['extrapolated_s']:.0f} s)" in lines[-1]


def test_medians_shares_and_the_extrapolation_are_those_of_arithmetic():
    rounds = [
        {"blurry": 1.0, "prior": 4.0, "generator": 4.0, "scoring": 0.5, REST: 0.5, "wall": 10.0},
        {"blurry": 1.0, "prior": 5.0, "generator": 12.0, "scoring": 1.0, REST: 1.0, "wall": 20.0},
        {"blurry": 1.0, "prior": 9.0, "generator": 13.0, "scoring": 1.0, REST: 6.0, "wall": 30.0},
    ]
    found = summary(rounds, 4)
    # 5 s an image, 982 of them.
    assert found["images_per_s"] == pytest.approx(0.2)
    assert found["extrapolated_s"] == pytest.approx(4910)
    assert found["seconds_per_image"]["generator"] == pytest.approx(3)
    assert found["shares"] == pytest.approx(
        {"blurry": 0.05, "prior": 0.25, "generator": 0.6, "scoring": 0.05, REST: 0.05}
    )


def test_a_limit_of_memory_chooses_the_batch(tmp_path):
    generous = replace(SETTING, batch=None, max_memory=1e12)
    list(whole_reconstruction(generous, 1, tmp_path))
    assert json.loads((tmp_path / "whole-reconstruction.json").read_text())["batch"] == 512
    with pytest.raises(ValueError, match=r"A memory limit of 0\.00 GB is too small"):
        list(whole_reconstruction(replace(generous, max_memory=1e3), 1, tmp_path))


def test_networks_of_real_size_fit_each_other():
    plan = generator_plan("versatile")
    assert (plan.side, plan.token_shape) == (512, (257, 768))
    facts = open_clip.get_model_config(CLIP)
    rows = facts["vision_cfg"]["image_size"] // facts["vision_cfg"]["patch_size"]
    assert (rows**2 + 1, facts["embed_dim"]) == plan.token_shape
    assert num_parameters(plans_of("versatile")["image_unet"]) == 859_520_964
