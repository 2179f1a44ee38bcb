import shutil
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from mindeye.cli import make_parser
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.settings import ReconstructionConfig, published_settings
from mindeye.run import RunFolder
from mindeye.verbs import reconstruct as verb
from mindeye.verbs.drawing.chosen_settings import settings_for
from mindeye.verbs.drawing.plan import plan_reconstruction
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.saved_results import read_manifest
from mindeye.verbs.shared_options import given_settings

CONFIG = ReconstructionConfig(candidates=3)


def test_the_plan_counts_images_candidates_and_pictures(finished_run):
    plan = plan_reconstruction(finished_run, CONFIG)
    assert (plan.subject, plan.num_images, plan.num_candidates) == (1, 8, 3)
    assert (plan.num_pictures, plan.side) == (24, 32)
    assert plan.simulated["preset"] == "tests"
    assert plan_reconstruction(finished_run, CONFIG, ScansAsked(num_images=2)).num_pictures == 6
    chosen = plan_reconstruction(finished_run, CONFIG, ScansAsked(split="validation"))
    assert (chosen.split, chosen.num_images) == ("validation", 6)


def test_the_plan_covers_the_file_that_is_written(finished_run):
    plan = plan_reconstruction(finished_run, ReconstructionConfig(candidates=2))
    written = (finished_run / "reconstructions" / "reconstructions.safetensors").stat().st_size
    stack = 3 * 32**2
    # Image tokens of two candidates and the brain tokens, in half precision.
    tokens = 8 * 3 * 5 * 16 * 2
    assert written == pytest.approx(
        (plan.num_pictures + plan.num_images) * stack + tokens, rel=0.02
    )
    sheets = plan.num_bytes - (2 * (16 + 8) * stack + 2 * 8 * stack + 2 * tokens)
    (sheet,) = (finished_run / "reconstructions" / "sheets").iterdir()
    assert np.asarray(Image.open(sheet)).nbytes < sheets
    averaged = replace(CONFIG, selection="average")
    plan = plan_reconstruction(finished_run, averaged)
    assert (plan.num_candidates, plan.num_pictures) == (3, 8)
    assert "averaged before drawing" in plan.lines[1]


def test_the_plan_opens_no_decoder_and_writes_nothing(
    finished_run, tiny_prepared, contents, monkeypatch
):
    monkeypatch.setattr("mindeye.reconstruction.opening.open_run", None)
    before = contents(finished_run), contents(tiny_prepared)
    plan_reconstruction(finished_run, CONFIG)
    assert (contents(finished_run), contents(tiny_prepared)) == before


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_count_that_cannot_be_drawn_is_refused(count, finished_run):
    with pytest.raises(ValueError, match="Choose from 2 to 8"):
        plan_reconstruction(finished_run, CONFIG, ScansAsked(num_images=count))


def test_another_subject_or_data_that_are_gone_are_refused(finished_run, tmp_path):
    with pytest.raises(LookupError, match="was not trained on subject 7; it knows 1"):
        plan_reconstruction(finished_run, CONFIG, ScansAsked(subject=7))
    with pytest.raises(FileNotFoundError, match="is missing"):
        plan_reconstruction(finished_run, CONFIG, ScansAsked(data=tmp_path / "absent"))


def test_half_done_pictures_of_a_run_that_has_moved_are_finished(finished_run, tmp_path):
    config = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)
    moved = shutil.copytree(finished_run, tmp_path / "moved")
    before = (moved / "reconstructions" / "reconstructions.safetensors").read_bytes()
    (moved / "reconstructions" / "reconstructions.safetensors").unlink()
    reconstruct_run(moved, moved / "reconstructions", config)
    assert (moved / "reconstructions" / "reconstructions.safetensors").read_bytes() == before


def given(*arguments: str) -> dict:
    return given_settings(
        make_parser().parse_args(["reconstruct", "run", "--out", "out", *arguments])
    )


def run_with(run, change_json, **quirks) -> None:
    """The run as if it had been trained with these."""
    change_json(run / "provenance.json", lambda content: content.update(quirks=quirks))


def test_what_is_not_given_is_ours_or_as_the_system_of_the_command_line_or_run_published_it(
    finished_run, change_json
):
    assert settings_for(finished_run, None, given()) == ReconstructionConfig()
    assert settings_for(finished_run, "mindeye1", given()) == published_settings("mindeye1")
    run_with(finished_run, change_json, compat="mindeye2")
    assert settings_for(finished_run, None, given()) == published_settings("mindeye2")
    assert settings_for(finished_run, "none", given()) == ReconstructionConfig()


def test_what_is_given_wins_over_what_was_published(finished_run):
    numbers = given("--candidates", "2", "--sampler", "ddim", "--prior-steps", "5", "--seed", "7")
    ours = settings_for(finished_run, "mindeye1", numbers)
    changes = {"candidates": 2, "sampler": "ddim", "prior_steps": 5, "seed": 7}
    assert ours == replace(published_settings("mindeye1"), **changes)


def test_the_help_shows_our_defaults():
    (action,) = (one for one in make_parser()._actions if one.choices and "demo" in one.choices)
    text = " ".join(action.choices["reconstruct"].format_help().split())
    for field in fields(ReconstructionConfig):
        if field.name != "quirks":
            option = text.split(f"--{field.name.replace('_', '-')} ", 2)[2]
            assert option.split("(default: ")[1].split(")")[0] == str(field.default), field.name


@pytest.mark.parametrize(
    ("trained", "compat", "settings", "expected"),
    [
        ({}, None, (), []),
        ({}, None, ("shifted_range=on",), ["shifted_range"]),
        ({}, "mindeye1", (), ["clip_normalised_start"]),
        ({"shifted_range": True, "flipped_targets": True}, None, (), ["shifted_range"]),
        ({"shifted_range": True}, "none", (), []),
        (
            {"compat": "mindeye1", "aliased_resizing": False},
            None,
            ("blended_with_blurry=on",),
            ["clip_normalised_start", "blended_with_blurry"],
        ),
    ],
)
def test_the_run_and_the_command_line_say_which_quirks_are_on(
    trained, compat, settings, expected, finished_run, change_json, tmp_path
):
    run_with(finished_run, change_json, **trained)
    config = replace(CONFIG, candidates=1, steps=2, prior_steps=2)
    quirks = {"compat": compat, "quirk_settings": settings}
    reconstruct_run(finished_run, tmp_path / "out", config, ScansAsked(num_images=2), **quirks)
    manifest = read_manifest(tmp_path / "out")
    assert list(manifest.settings.quirks) == manifest.about["quirks"] == expected


@pytest.mark.parametrize("on", [True, False])
def test_outputs_are_averaged_where_the_quirk_is_on(on, finished_run, tmp_path, monkeypatch):
    seen = []

    def watched(*arguments, **options):
        seen.append(options)
        return decode(*arguments, **options)

    monkeypatch.setattr(verb, "decode", watched)
    config = replace(CONFIG, steps=1, prior_steps=1)
    settings = ("averaged_outputs=on",) if on else ()
    reconstruct_run(
        finished_run, tmp_path / "out", config, ScansAsked(num_images=2), quirk_settings=settings
    )
    assert seen == [{"averaged_outputs": on}]


def test_resuming_with_other_quirks_is_refused(finished_run):
    config = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)
    out = finished_run / "reconstructions"
    with pytest.raises(ValueError, match=r"settings\.quirks: \['random_unconditional'\] here"):
        reconstruct_run(finished_run, out, config, quirk_settings=["random_unconditional=on"])


def test_pictures_with_every_quirk_are_scored_with_their_ceiling(finished_run, tmp_path):
    out = tmp_path / "out"
    config = replace(settings_for(finished_run, "mindeye2", {}), steps=2)
    drawn = reconstruct_run(finished_run, out, config, compat="mindeye2")
    assert drawn.candidates.shape[1] == 1
    assert (drawn.pictures != drawn.candidates[:, 0]).any()
    result = evaluate_folder(out)
    assert {"ceiling: true tokens", "mindeye"} <= result.per_image.keys()
    ceiling = read_manifest(out / "true_tokens")
    assert ceiling.settings.quirks == read_manifest(out).settings.quirks


def test_a_blended_folder_has_room_for_its_finished_pictures(finished_run, tmp_path):
    quirks = {"quirk_settings": ["blended_with_blurry=on"]}
    config = replace(CONFIG, candidates=1, steps=1, prior_steps=1)
    plan = plan_reconstruction(finished_run, config, **quirks)
    more = plan.num_bytes - plan_reconstruction(finished_run, config).num_bytes
    assert more == 2 * 8 * 3 * 32**2
    reconstruct_run(finished_run, tmp_path / "out", config, **quirks)
    written = (tmp_path / "out" / "reconstructions.safetensors").stat().st_size
    tokens = 8 * 2 * 5 * 16 * 2
    assert written == pytest.approx(3 * 8 * 3 * 32**2 + tokens, rel=0.04)


@pytest.mark.parametrize(
    ("changes", "quirks", "message"),
    [
        ({"sampler": "euler"}, {}, "Unknown sampler `euler`"),
        ({"sampler": "ddpm"}, {}, "`ddpm` visits every time, here 20, but 10 steps"),
        ({"prior_steps": 1}, {"compat": "mindeye2"}, "never asks the network"),
        (
            {"selection": "consensus", "candidates": 2},
            {},
            r"`consensus` finds nothing among 2 candidate\(s\).*Pass --candidates 3 or more",
        ),
        ({"selection": "consensus", "candidates": 1}, {}, r"finds nothing among 1 candidate\(s\)"),
        ({}, {"quirk_settings": ["shifted_rang=on"]}, "Did you mean `shifted_range`"),
        ({}, {"quirk_settings": ["lost_labels=on"]}, "`lost_labels` changes nothing in this verb"),
        ({}, {"compat": "mindeye3"}, "Unknown compat `mindeye3`"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_opened(
    changes, quirks, message, finished_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(verb, "open_run", None)
    for draw in (
        partial(plan_reconstruction, finished_run),
        partial(reconstruct_run, finished_run, tmp_path / "out"),
    ):
        with pytest.raises((LookupError, ValueError), match=message):
            draw(replace(CONFIG, **changes), **quirks)
    assert not (tmp_path / "out").exists()


def test_a_run_that_has_not_ended_is_refused(finished_run):
    RunFolder(path=finished_run).weights_path.unlink()
    with pytest.raises(FileNotFoundError, match="its training has not ended"):
        plan_reconstruction(finished_run, CONFIG)
