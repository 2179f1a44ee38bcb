import shutil
from dataclasses import fields

import pytest

from mindeye.cli import make_parser
from mindeye.reconstruction.pipeline import ReconstructionConfig
from mindeye.verbs.reconstruct import plan_reconstruction, reconstruct_run

CONFIG = ReconstructionConfig(candidates=3)


def test_the_plan_counts_images_candidates_and_pictures(finished_run):
    plan = plan_reconstruction(finished_run, CONFIG)
    assert (plan.subject, plan.num_images, plan.num_candidates) == (1, 8, 3)
    assert (plan.num_pictures, plan.side) == (24, 32)
    assert plan.simulated["preset"] == "tests"
    assert plan_reconstruction(finished_run, CONFIG, num_images=2).num_pictures == 6
    chosen = plan_reconstruction(finished_run, CONFIG, split="validation")
    assert (chosen.split, chosen.num_images) == ("validation", 6)


def test_the_plan_covers_the_file_that_is_written(finished_run):
    plan = plan_reconstruction(finished_run, ReconstructionConfig(candidates=2))
    written = (finished_run / "reconstructions" / "reconstructions.safetensors").stat().st_size
    stack = 3 * 32**2
    assert written == pytest.approx((plan.num_pictures + plan.num_images) * stack, rel=0.02)
    assert plan.num_bytes == 2 * (16 + 8) * stack + 2 * 8 * stack


def test_the_plan_opens_no_decoder_and_writes_nothing(
    finished_run, tiny_prepared, contents, monkeypatch
):
    monkeypatch.setattr("mindeye.verbs.reconstruct.open_run", None)
    before = contents(finished_run), contents(tiny_prepared)
    plan_reconstruction(finished_run, CONFIG)
    assert (contents(finished_run), contents(tiny_prepared)) == before


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_count_that_cannot_be_drawn_is_refused(count, finished_run):
    with pytest.raises(ValueError, match="Choose from 2 to 8"):
        plan_reconstruction(finished_run, CONFIG, num_images=count)


def test_another_subject_or_data_that_are_gone_are_refused(finished_run, tmp_path):
    with pytest.raises(LookupError, match="was not trained on subject 7; it knows 1"):
        plan_reconstruction(finished_run, CONFIG, subject=7)
    with pytest.raises(FileNotFoundError, match="is missing"):
        plan_reconstruction(finished_run, CONFIG, data=tmp_path / "absent")


def test_half_done_pictures_of_a_run_that_has_moved_are_finished(finished_run, tmp_path):
    config = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)
    moved = shutil.copytree(finished_run, tmp_path / "moved")
    before = (moved / "reconstructions" / "reconstructions.safetensors").read_bytes()
    (moved / "reconstructions" / "reconstructions.safetensors").unlink()
    reconstruct_run(moved, moved / "reconstructions", config)
    assert (moved / "reconstructions" / "reconstructions.safetensors").read_bytes() == before


def test_the_command_line_has_the_defaults_of_the_library():
    options = make_parser().parse_args(["reconstruct", "run", "--out", "out"])
    defaults = ReconstructionConfig()
    for field in fields(ReconstructionConfig):
        assert getattr(options, field.name) == getattr(defaults, field.name), field.name
