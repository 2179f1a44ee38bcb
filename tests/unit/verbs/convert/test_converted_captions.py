"""Captions of a converted checkpoint, through a captioner of random weights."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json
from mindeye.models.caption_converter import fitted_converter, load_converter
from mindeye.pictures import as_images
from mindeye.targets.captioner import load_captioner
from mindeye.targets.clip import load_clip
from mindeye.verbs.evaluation.caption_part import read_captions


@pytest.fixture
def prepared(tiny_prepared, tmp_path) -> Path:
    """A copy for one test, of whose pictures no network has said anything."""
    ignored = shutil.ignore_patterns("targets")
    return Path(shutil.copytree(tiny_prepared, tmp_path / "prepared", ignore=ignored))


@pytest.fixture
def captioning(prepared, networks, tiny_captioner, tmp_path):
    """(run) -> the command line that writes its captions."""

    def line(run: Path, name: str = "captions.tsv") -> list[str]:
        given = ["--data", str(prepared), "--clip", str(networks.clip)]
        writer = ["--captioner", str(tiny_captioner), "--fit-images", "6"]
        return ["caption", str(run), *given, *writer, "--out", str(tmp_path / name)]

    return line


def test_the_converter_is_fitted_to_what_the_given_clip_says_of_training_pictures(
    converted, captioning, prepared, networks, tiny_captioner, tmp_path
):
    run = converted("mindeye2")
    main(captioning(run))
    assert sorted(read_captions(tmp_path / "captions.tsv")) == list(range(300, 308))
    about = read_json(tmp_path / "captions.tsv.json")
    clip = load_clip(networks.clip, form="patches", washed_out=True, antialias=False)
    assert about["given"] == {"clip": str(networks.clip)}
    assert about["networks"] == {"clip": clip.identity}
    kept = Path(about["converter"]["path"])
    assert kept.parent == run / "captions"
    assert clip.identity in kept.name
    # Six of 24 training pictures at equal distances, seen as MindEye2's CLIP saw them.
    subject, writer = PreparedSubject(prepared), load_captioner(str(tiny_captioner))
    ids = np.array([100, 105, 109, 114, 118, 123])
    pictures = as_images(subject.images[subject.rows_of(ids)])
    with torch.inference_mode():
        tokens = clip.tokens(pictures).half().float()
        expected = fitted_converter(tokens, writer.vision_tokens(pictures).half())
    found = load_converter(kept)
    for name, one in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], one)
    (some,) = (prepared / "targets").iterdir()
    assert some.name.startswith("6-pictures-")


def test_another_clip_gets_another_converter(converted, captioning, networks, tmp_path):
    run = converted("mindeye1")
    main(captioning(run))
    line = captioning(run, "again.tsv")
    other = shutil.copytree(networks.clip, tmp_path / "other-clip")
    line[line.index("--clip") + 1] = str(other)
    main(line)
    assert len(list((run / "captions").iterdir())) == 2


def test_what_a_converted_run_was_trained_on_is_not_captioned(
    converted, captioning, tmp_path, refused
):
    run = converted("mindeye1")
    line = captioning(run)
    assert "has no scans and no CLIP of its own" in refused([*line[:2], *line[6:]])
    assert "those of the validation among them" in refused([*line, "--split", "validation"])
    line[line.index("--clip") + 1] = str(tmp_path)
    assert "No CLIP at" in refused(line)
    assert not (tmp_path / "captions.tsv").exists()
    assert not (run / "captions").exists()
