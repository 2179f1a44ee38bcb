"""What a converted run cannot draw with is refused, with both values; nothing is written."""

import shutil
from pathlib import Path

import pytest

from mindeye.files import read_json, write_json
from mindeye.targets.clip import OFFLINE_CLIP


def test_what_does_not_fit_is_refused_with_both_values(
    converted, drawing, networks, tmp_path, refused
):
    run = converted("mindeye2")
    write_json(
        run / "provenance.json",
        {**read_json(run / "provenance.json"), "converted": {"family": "mindeye1"}},
    )
    told = refused(drawing("mindeye1", run))
    assert "decodes 4 x 16 tokens (projected)" in told
    shutil.rmtree(run)
    line = drawing("mindeye1", converted("mindeye1"))
    other = Path(shutil.copytree(networks.vae, tmp_path / "vae"))
    config = read_json(other / "config.json")
    write_json(other / "config.json", {**config, "sample_size": 64})
    line[line.index("--vae") + 1] = str(other)
    told = refused(line)
    assert "latents of 4 x 8 x 8, but those of" in told
    assert "are 4 x 16 x 16" in told
    assert "`sample_size` of 32" in told
    assert not (tmp_path / "out").exists()


def test_a_clip_of_other_tokens_is_refused_with_the_one_of_the_training(
    converted, drawing, tmp_path, weights, refused
):
    run = converted("mindeye1")
    line = drawing("mindeye1", run)
    line[line.index("--clip") + 1] = str(OFFLINE_CLIP)
    told = refused(line)
    assert "decodes 5 x 16 tokens (projected), but those of" in told
    assert "the CLIP of its training: OpenAI CLIP ViT-L/14" in told


@pytest.mark.parametrize(
    ("leave_out", "told"),
    [
        ("--clip", "Give it with --clip FOLDER"),
        ("--vae", "also gives latents of 4 x 8 x 8"),
        ("--data", "has no prepared scans of its own. Give those"),
    ],
)
def test_what_is_missing_is_named(leave_out, told, converted, drawing, refused):
    line = drawing("mindeye1", converted("mindeye1"))
    place = line.index(leave_out)
    assert told in refused([*line[:place], *line[place + 2 :]])


def test_scans_that_do_not_fit_or_were_trained_on_are_refused(
    converted, drawing, tiny_prepared, tmp_path, refused
):
    line = drawing("mindeye1", converted("mindeye1"))
    assert "those of the validation among them" in refused([*line, "--split", "validation"])
    told = refused([*line, "--subject", "2"])
    assert "is of subject 1, not 2. Give that subject's folder" in told
    other = Path(shutil.copytree(tiny_prepared, tmp_path / "other"))
    manifest = read_json(other / "manifest.json")
    splits = manifest["splits"]
    without_training = {**splits, "train": {**splits["train"], "num_trials": 0}}
    line[line.index("--data") + 1] = str(other)
    for change, told in (
        ({"subject": 2}, "is of subject 2, but"),
        ({"num_voxels": 19}, "has 19 voxels, but"),
        ({"zscore": "none"}, "holds percent signal change, but published decoders"),
        ({"protocol": "nsd-session-heldout"}, "saw all but NSD's shared ones"),
        # As of a data set that no training has seen.
        ({"splits": without_training}, "tests with images of made up, and"),
    ):
        write_json(other / "manifest.json", {**manifest, **change})
        assert told in refused(line)
    assert not (tmp_path / "out").exists()
