"""`mindeye reconstruct --strength FIRST:LAST:STEP` on a small run."""

import argparse

import numpy as np
import pytest
from PIL import Image

from mindeye.cli import main
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs.drawing import strength_sweep
from mindeye.verbs.drawing.drawing_options import strength_or_sweep
from mindeye.verbs.drawing.plan import plan_reconstruction
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.drawing.strength_sweep import distinct, folder_of, notes_on, plan_sweep
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.saved_results import read_manifest

SETTINGS = ("--candidates", "1", "--steps", "4", "--prior-steps", "2")


def sweep(run, out, *more) -> None:
    strengths = () if "--strength" in more else ("--strength", "0.5:1.0:0.25")
    main(["reconstruct", str(run), "--out", str(out), *SETTINGS, *strengths, *map(str, more)])


@pytest.fixture
def swept(finished_run, tmp_path):
    out = tmp_path / "sweep"
    sweep(finished_run, out, "--split", "validation")
    return out


def test_each_strength_is_an_ordinary_folder_with_its_scores(swept, capsys):
    names = {"strength-0.50": 0.5, "strength-0.75": 0.75, "high-level-only": 1.0}
    lines = (swept / "sweep.tsv").read_text().splitlines()
    assert lines[0].startswith("# SIMULATED")
    rows = {tuple(line.split("\t")[:2]): line.split("\t") for line in lines[2:]}
    for name, strength in names.items():
        assert read_manifest(swept / name).settings.strength == strength
        scores = evaluate_folder(swept / name).per_image["mindeye"]
        for metric in ("PixCorr", "SSIM", "two-way identification (CLIP)"):
            assert float(rows[name, metric][2]) == pytest.approx(scores[metric].mean())
    blurry = evaluate_folder(swept / "strength-0.50").per_image["blurry only"]
    assert float(rows["blurry-only", "SSIM"][2]) == pytest.approx(blurry["SSIM"].mean())
    assert Image.open(swept / "sweep.png").size == (1350, 630)


def test_the_blurry_pictures_stand_beside(swept):
    drawn = load_reconstruction(swept / "strength-0.50")
    for row, image_id in enumerate(drawn.image_ids):
        saved = np.asarray(Image.open(swept / "blurry-only" / f"{image_id:05d}.png"))
        np.testing.assert_array_equal(saved, drawn.blurry[row])


def test_a_sweep_that_was_stopped_goes_on(finished_run, swept, tmp_path, monkeypatch):
    out, into = tmp_path / "again", strength_sweep.Drawing.into
    calls = []

    def stopping(self, folder, *given):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(folder)
        return into(self, folder, *given)

    with monkeypatch.context() as patch:
        patch.setattr(strength_sweep.Drawing, "into", stopping)
        with pytest.raises(SystemExit) as end:
            sweep(finished_run, out, "--split", "validation")
    assert end.value.code == 130
    first = (out / "strength-0.50" / "reconstructions.safetensors").stat().st_mtime_ns
    sweep(finished_run, out, "--split", "validation")
    assert (out / "strength-0.50" / "reconstructions.safetensors").stat().st_mtime_ns == first
    assert (out / "sweep.tsv").read_bytes() == (swept / "sweep.tsv").read_bytes()


def test_strengths_that_run_the_same_steps_are_drawn_once_and_named():
    steps_of = {0.5: 4, 0.55: 4, 0.6: 5, 1.0: 8}
    assert distinct(steps_of) == [0.5, 0.6]
    assert notes_on(steps_of, 8) == (
        "strength 0.55 runs the same 4 of 8 steps as 0.5: see strength-0.50",
    )
    assert [folder_of(one) for one in (0.5, 0.55, 0.625)] == [
        "strength-0.50",
        "strength-0.55",
        "strength-0.625",
    ]


def test_a_sweep_is_read_as_written():
    assert strength_or_sweep("0.7") == 0.7
    assert strength_or_sweep("0.5:1.0:0.05") == (
        *(0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0),
    )
    assert strength_or_sweep("0.2:0.5:0.2") == (0.2, 0.4)
    for wrong in ("0.5:1.0", "0.5:1.5:0.1", "0.9:0.5:0.1", "0.5:1:0", "0.5:1:-1", "a:b:c"):
        with pytest.raises(
            argparse.ArgumentTypeError, match=r"Write FIRST:LAST:STEP, such as 0\.5"
        ):
            strength_or_sweep(wrong)


def test_a_dry_run_counts_every_strength_that_is_drawn_and_writes_nothing(
    finished_run, swept, tmp_path, capsys
):
    capsys.readouterr()
    of_sweep = ("--strength", "0.5:1.0:0.125", "--split", "validation", "--dry-run")
    sweep(finished_run, tmp_path / "out", *of_sweep)
    told = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    drawn = [path.parent for path in swept.glob("*/reconstructions.safetensors")]
    assert len(drawn) == 3
    pictures = sum(load_reconstruction(folder).candidates.shape[0] for folder in drawn)
    assert f"1 candidates for each, at each of 3 strengths: {pictures} pictures to draw" in told
    folders = told.split("folders: ")[1].splitlines()[0].split(", ")
    assert sorted(folders) == sorted(folder.name for folder in drawn)
    assert "strength 0.625 runs the same 2 of 4 steps as 0.5: see strength-0.50" in told


def test_the_plan_of_a_sweep_covers_what_it_writes(finished_run, swept):
    config = ReconstructionConfig(candidates=1, steps=4, prior_steps=2)
    scans = ScansAsked(split="validation")
    plan = plan_sweep(finished_run, config, (0.5, 0.75, 1.0), scans)
    alone = plan_reconstruction(finished_run, config, scans)
    assert (plan.num_pictures, alone.num_pictures) == (18, 6)
    assert plan.num_bytes == 3 * alone.num_bytes
    arrays = swept.glob("*/reconstructions.safetensors")
    assert plan.num_bytes > sum(path.stat().st_size for path in arrays)


def test_a_sweep_without_blurry_pictures_is_refused_before_anything_is_opened(
    finished_run, change_json, tmp_path
):
    change_json(
        finished_run / "architecture.json",
        lambda content: content["decoder"].update(low_level=None),
    )
    with pytest.raises(ValueError, match="has no low-level head, so nothing starts from a blurry"):
        plan_sweep(finished_run, ReconstructionConfig(), (0.5, 1.0))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--calibration", "x"), "A calibration holds for one strength alone"),
        (("--calibration", "x", "--dry-run"), "A calibration holds for one strength alone"),
        (("--strength", "0.5:2:0.1"), "does not rise within"),
        (("--strength", "0.1:inf:0.1"), "is no sweep"),
        (("--strength", "0.5:1:1e-9"), "500,000,001 strengths; choose a step that gives 1000"),
        (("--out", "RECONSTRUCTIONS"), "holds reconstructions itself"),
    ],
)
def test_wrong_input_ends_with_a_sentence(finished_run, tmp_path, capsys, more, message):
    more = [
        str(finished_run / "reconstructions") if one == "RECONSTRUCTIONS" else one for one in more
    ]
    with pytest.raises(SystemExit) as end:
        sweep(finished_run, tmp_path / "out", *more)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
