"""A run is known by its contents: folders may move, networks and data may not change."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mindeye.config import to_mapping
from mindeye.files import read_json, write_json
from mindeye.quirks import Quirks
from mindeye.reconstruction import run_networks
from mindeye.reconstruction.opening import clip_of, open_run
from mindeye.run import RunFolder
from mindeye.training.loop import train


@pytest.fixture(scope="module")
def template(tmp_path_factory, tiny_prepared, networks) -> Path:
    """Prepared data and a CLIP of their own, before any training; shared: read only."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(tiny_prepared, folder / "prepared", ignore=shutil.ignore_patterns("targets"))
    shutil.copytree(networks.clip, folder / "clip")
    return folder


@pytest.fixture
def own(template, tmp_path, tiny_experiment) -> Path:
    """A folder with data, CLIP and a trained run that a test may break."""
    folder = Path(shutil.copytree(template, tmp_path / "own"))
    schedule = replace(tiny_experiment.schedule, num_epochs=1)
    places = {"data": (folder / "prepared",), "clip": folder / "clip"}
    train(replace(tiny_experiment, schedule=schedule, **places), folder / "run")
    return folder


def change_weights(clip: Path) -> None:
    weights = load_file(clip / "open_clip_model.safetensors")
    weights["visual.proj"] = weights["visual.proj"] + 0.1
    save_file(weights, clip / "open_clip_model.safetensors")


def test_a_run_and_its_data_that_moved_open_alike(own, tmp_path):
    before = open_run(own / "run")
    run = (own / "run").rename(tmp_path / "moved-run")
    prepared = (own / "prepared").rename(tmp_path / "moved-data")
    with pytest.raises(FileNotFoundError, match=r"prepared/manifest\.json is missing"):
        open_run(run)
    after = open_run(run, data=prepared)
    betas = after.prepared.repeats("test").mean()
    torch.testing.assert_close(
        before.decoder(betas, 1).embeddings, after.decoder(betas, 1).embeddings, rtol=0, atol=0
    )
    assert after.prepared.path == prepared
    assert (after.targets.tokens_array == before.targets.tokens_array).all()


def test_a_clip_that_changed_since_the_training_is_refused(own):
    change_weights(own / "clip")
    with pytest.raises(ValueError, match=r"was trained on targets of .* but here are .*Restore"):
        open_run(own / "run")


@pytest.mark.parametrize(
    ("quirks", "washed_out", "antialias"),
    [
        (Quirks(), False, True),
        (Quirks(compat="mindeye1"), False, False),
        (Quirks(compat="mindeye2"), True, False),
        (Quirks(washed_out_targets=True), True, True),
    ],
)
def test_the_clip_sees_pictures_as_it_did_in_the_training(
    own, quirks, washed_out, antialias, monkeypatch
):
    path = own / "run" / "provenance.json"
    write_json(path, {**read_json(path), "quirks": to_mapping(quirks)})
    seen, load = [], run_networks.load_clip
    monkeypatch.setattr(
        run_networks,
        "load_clip",
        lambda source, device, **given: seen.append(given) or load(source, device),
    )
    clip_of(RunFolder(path=own / "run"))
    assert seen == [{"form": "projected", "washed_out": washed_out, "antialias": antialias}]


def test_a_run_whose_quirks_were_changed_afterwards_is_refused(own):
    path = own / "run" / "provenance.json"
    write_json(path, {**read_json(path), "quirks": {"washed_out_targets": True}})
    with pytest.raises(ValueError, match=r"was trained on targets of .* but here are"):
        open_run(own / "run")


def test_other_trials_of_the_same_voxels_are_refused(own, tmp_path):
    other = Path(shutil.copytree(own / "prepared", tmp_path / "other"))
    manifest = json.loads((other / "manifest.json").read_text())
    shard = manifest["splits"]["test"]["shards"][0]
    manifest["files"][shard] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=rf"holds other data .*{shard} differ"):
        open_run(own / "run", data=other)


def test_other_voxels_are_refused(own, tmp_path):
    other = Path(shutil.copytree(own / "prepared", tmp_path / "other"))
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "voxel_hash": "f" * 64}))
    with pytest.raises(ValueError, match="has voxels ffffffffffff, but this run was trained on"):
        open_run(own / "run", data=other)


def test_a_subject_that_was_not_trained_is_refused_with_those_that_were(own):
    with pytest.raises(LookupError, match="not trained on subject 5; it knows 1"):
        open_run(own / "run", subject=5)


def test_a_run_that_is_not_finished_is_refused(own):
    (own / "run" / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="its training has not ended"):
        open_run(own / "run")
