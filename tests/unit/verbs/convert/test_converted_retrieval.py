"""Retrieval of converted checkpoints against plain products, with the CLIP that a user gives."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json, write_json
from mindeye.models.saved import load_decoder
from mindeye.pictures import as_images
from mindeye.targets.clip import OFFLINE_CLIP, load_clip

# As the published programs showed pictures to their CLIP.
SEEN_AS = {
    "mindeye1": {"form": "projected", "washed_out": False, "antialias": False},
    "mindeye2": {"form": "patches", "washed_out": True, "antialias": False},
}
FAST = ["--bootstrap", "200", "--permute", "99"]


@pytest.fixture
def prepared(tiny_prepared, tmp_path) -> Path:
    """A copy for one test, of whose pictures no network has said anything."""
    ignored = shutil.ignore_patterns("targets")
    return Path(shutil.copytree(tiny_prepared, tmp_path / "prepared", ignore=ignored))


@pytest.fixture
def given(prepared, networks) -> list[str]:
    return ["--data", str(prepared), "--clip", str(networks.clip)]


def plain_similarity(family: str, run: Path, prepared: Path, clip: Path) -> torch.Tensor:
    """Of eight scans (rows) and pictures, from decoder and CLIP alone."""
    subject, opened = PreparedSubject(prepared), load_clip(clip, **SEEN_AS[family])
    scans, decoder, brains = subject.repeats("test"), load_decoder(run), []
    pictures = subject.images[subject.rows_of(scans.image_ids.numpy())]
    with torch.inference_mode():
        for betas, present in zip(scans.betas, scans.present, strict=True):
            trials = betas[present].float()
            if family == "mindeye1":  # averages scans; MindEye2 what it decodes of each
                trials = trials.mean(0, keepdim=True)
            brains.append(decoder(trials, 1).embeddings.mean(0).flatten())
        images = opened.tokens(as_images(pictures)).flatten(1)
    return normalize(torch.stack(brains), dim=1) @ normalize(images, dim=1).T


def ranks_of(similarity: torch.Tensor) -> list[int]:
    """Of the right one in each row, from 1."""
    return (similarity >= similarity.diagonal()[:, None]).sum(1).tolist()


@pytest.mark.parametrize("family", ["mindeye1", "mindeye2"])
def test_what_is_found_is_that_of_plain_products_with_the_given_clip(
    family, converted, given, prepared, networks, capsys
):
    run = converted(family)
    main(["retrieve", str(run), *given])
    content = read_json(run / "retrieval.json")
    similarity = plain_similarity(family, run, prepared, networks.clip)
    order = similarity.argsort(dim=1, descending=True)[:, :5]
    assert content["found_ids"] == (300 + order).tolist()
    values = {row["metric"]: row["value"] for row in content["rows"]}
    for direction, one, published in (
        ("image retrieval", similarity, "Brain"),
        ("brain retrieval", similarity.T, "Image"),
    ):
        expected = np.median(ranks_of(one))
        assert values[f'{direction} median rank of 8 (published as "{published}")'] == expected
    identity = load_clip(networks.clip, **SEEN_AS[family]).identity
    assert content["networks"] == {"clip": identity}
    assert content["given"] == {"clip": str(networks.clip)}
    assert content["data"] == str(prepared)
    told = capsys.readouterr().out
    assert str(run / "retrieval.json") in told


def test_only_test_pictures_are_embedded_and_the_next_time_no_clip_is_opened(
    converted, given, prepared, monkeypatch
):
    run = converted("mindeye1")
    main(["retrieve", str(run), *given])
    (some,) = (prepared / "targets").iterdir()
    assert some.name.startswith("8-pictures-")
    (rows,) = some.glob("*/rows.npy")
    assert rows.parent.name.startswith("tokens-tiny-clip-")
    assert np.load(rows).shape == (8, 5, 16)
    before = read_json(run / "retrieval.json")
    monkeypatch.setattr("mindeye.reconstruction.image_tokens.clip_of", None)
    main(["retrieve", str(run), *given])
    assert read_json(run / "retrieval.json") == before


def test_the_benchmark_measures_what_retrieve_measures_and_training_images_too(
    converted, given, prepared, networks
):
    run = converted("mindeye2")
    main(["bench", "retrieval", str(run), *given, "--pools", "all", *FAST])
    content = read_json(run / "bench" / "retrieval.json")
    similarity = plain_similarity("mindeye2", run, prepared, networks.clip)
    lines = (run / "bench" / "per_image.tsv").read_text().splitlines()
    found = [line.split("\t")[-2:] for line in lines if line.startswith("mindeye\t1\t")]
    expected = zip(ranks_of(similarity), ranks_of(similarity.T), strict=True)
    assert found == [[str(rank) for rank in both] for both in expected]
    (subject,) = content["subjects"]
    assert subject["about"]["given"] == {"clip": str(networks.clip)}
    assert subject["about"]["networks"].keys() == {"clip"}
    assert len(subject["near_duplicates"]["training"]["closest"]) == 8
    (kept,) = (prepared / "targets").iterdir()
    assert np.load(kept / "rows.npy").shape == (38, 4, 16)
    # Those of all pictures are there already: nothing is embedded for eight of them.
    main(["retrieve", str(run), *given])
    assert list((prepared / "targets").iterdir()) == [kept]


def test_runs_of_two_systems_are_compared_each_with_its_own_clip(
    converted, given, networks, tmp_path, finished_run
):
    other = shutil.copytree(networks.clip, tmp_path / "other-clip")
    runs = [f"one={converted('mindeye1')}", f"two={converted('mindeye2')}", f"ours={finished_run}"]
    clips = [str(networks.clip), f"two={other}"]
    line = ["bench", "retrieval", *runs, *given[:2], "--clip", *clips, "--pools", "all", *FAST]
    main([*line, "--out", str(tmp_path / "out")])
    about = {
        one["system"]: one["about"]
        for one in read_json(tmp_path / "out" / "retrieval.json")["subjects"]
    }
    assert about["one"]["given"] == {"clip": str(networks.clip)}
    assert about["two"]["given"] == {"clip": str(other)}
    assert about["two"]["networks"]["clip"].startswith("other-clip-")
    assert "given" not in about["ours"]


def test_clips_that_belong_to_no_run_are_refused(
    converted, given, networks, tmp_path, finished_run, refused
):
    clip, run = str(networks.clip), converted("mindeye1")
    rest = ["--data", given[1], "--out", str(tmp_path / "out")]
    for runs, clips, told in (
        ([f"a={run}"], [clip, clip], "are two CLIPs without a name"),
        ([f"a={run}"], [f"a={clip}", f"a={clip}"], "are two CLIPs for the runs named `a`"),
        ([f"a={run}"], [f"b={clip}"], "without a CLIP of their own, are `a`. Leave it out"),
        ([f"a={run}"], [f"a={clip}", clip], "is the CLIP of no run here"),
        ([str(finished_run)], [clip], "is the CLIP of no run here"),
        ([f"a={run}"], [f"a={tmp_path}"], "No CLIP at"),
    ):
        assert told in refused(["bench", "retrieval", *runs, *rest, "--clip", *clips])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", [["retrieve"], ["bench", "retrieval"]])
def test_what_is_missing_or_does_not_fit_is_refused_and_nothing_is_written(
    verb, converted, given, prepared, finished_run, refused
):
    run = converted("mindeye1")
    line = [*verb, str(run)]
    before = sorted(run.rglob("*"))
    assert "has no scans and no CLIP of its own. Give both" in refused(line)
    assert "has no scans and no CLIP of its own. Give both" in refused([*line, *given[:2]])
    assert "has no prepared scans of its own. Give those" in refused([*line, *given[2:]])
    told = refused([*line, *given[:2], "--clip", str(OFFLINE_CLIP)])
    assert "decodes 5 x 16 tokens (projected), but those of" in told
    assert "the CLIP of its training: OpenAI CLIP ViT-L/14" in told
    told = refused([*line, *given, "--subject", "2"])
    assert "is of subject 1, not 2. Give that subject's folder" in told
    manifest = read_json(prepared / "manifest.json")
    for change, told in (
        ({"subject": 2}, "is of subject 2, but"),
        ({"num_voxels": 19}, "has 19 voxels, but"),
        ({"zscore": "none"}, "holds percent signal change, but published decoders"),
        ({"protocol": "nsd-session-heldout"}, "saw all but NSD's shared ones"),
    ):
        write_json(prepared / "manifest.json", {**manifest, **change})
        assert told in refused([*line, *given])
    assert sorted(run.rglob("*")) == before
    assert not (prepared / "targets").exists()


def test_a_run_that_names_its_own_clip_takes_no_other(finished_run, given, refused):
    told = refused(["retrieve", str(finished_run), *given])
    assert "names its own networks" in told
    assert "Leave --clip out" in told
