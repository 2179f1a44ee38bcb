"""`mindeye train` on data that are not, or do not stay, what was prepared: one sentence each."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.cli import main
from mindeye.config import dump_yaml
from mindeye.data.bundle import VoxelBundle
from mindeye.files import sha256_of
from mindeye.training import feeding
from mindeye.training.augmentation import AugmentationConfig

SHARD, PICTURES = "train-000000.tar", "images.npy"


@pytest.fixture
def prepared(tiny_prepared, tmp_path) -> Path:
    folder = tmp_path / "prepared"
    shutil.copytree(tiny_prepared, folder, ignore=shutil.ignore_patterns("targets"))
    return folder


@pytest.fixture
def refusal(tiny_experiment, prepared, tmp_path, capsys):
    """Trains on the prepared folder; gives the one message that it ends with, on one line."""

    def of(**changes) -> str:
        dump_yaml(replace(tiny_experiment, data=(prepared,), **changes), tmp_path / "tiny.yaml")
        with pytest.raises(SystemExit) as caught:
            main(["train", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "run")])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        assert error.count("mindeye: ") == 1
        return error.split("mindeye: ")[1].strip()

    return of


@pytest.fixture
def at_fourth_step(monkeypatch):
    """Does something to the data just before the fourth batch is read."""

    def does(change):
        original, calls = feeding.step_batch, []

        def counted(*arguments):
            calls.append(arguments)
            if len(calls) == 4:
                change()
            return original(*arguments)

        monkeypatch.setattr(feeding, "step_batch", counted)

    return does


def other_shards(folder):
    """Scans of the same size by another subject, in this one's place."""
    path = folder / SHARD
    path.write_bytes(path.read_bytes().replace(b'"subject": 1,', b'"subject": 2,'))


def with_hashes(folder):
    """Makes the manifest believe what lies there."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sizes"] = {name: (folder / name).stat().st_size for name in manifest["sizes"]}
    manifest["files"] = {name: sha256_of(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_missing_shard_is_named(prepared, refusal, tmp_path):
    (prepared / SHARD).unlink()
    assert refusal() == f"{prepared / SHARD} is missing. Prepare the subject again."
    assert not (tmp_path / "run").exists()


def test_another_subject_s_betas_are_found_by_their_hash(prepared, refusal, tmp_path):
    other_shards(prepared)
    assert "has SHA-256" in (message := refusal())
    assert message.endswith("It changed since it was written: prepare the subject again.")
    assert not (tmp_path / "run").exists()


def test_another_subject_s_betas_are_found_even_where_the_manifest_fits_them(
    prepared, refusal, tmp_path
):
    other_shards(prepared)
    with_hashes(prepared)
    assert "hold trials of subject 2, but the manifest is of subject 1" in refusal()
    assert not (tmp_path / "run").exists()


def test_another_subject_s_voxels_are_found(prepared, refusal, tmp_path):
    bundle = VoxelBundle.load(prepared / "bundle")
    shutil.rmtree(prepared / "bundle")
    replace(bundle, space="another brain").save(prepared / "bundle")
    with_hashes(prepared)
    assert "bundle has voxel hash" in refusal()
    assert not (tmp_path / "run").exists()


def test_a_manifest_of_another_schema_or_without_a_part_is_refused(prepared, refusal):
    path = prepared / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "schema": 9}))
    assert "has schema 9, this version reads 1" in refusal()
    del manifest["voxel_hash"]
    path.write_text(json.dumps(manifest))
    assert "lacks voxel_hash. Prepare the subject again." in refusal()


@pytest.mark.parametrize("name", [SHARD, "targets/tokens", PICTURES])
def test_a_file_that_is_cut_while_a_training_reads_it_ends_it_with_a_sentence(
    prepared, refusal, at_fourth_step, name
):
    def cut():
        found = next(prepared.glob(f"{name}*/rows.npy"), prepared / name)
        os.truncate(found, 100)

    at_fourth_step(cut)
    changes = {"augmentation": AugmentationConfig()} if name == PICTURES else {}
    assert " has 100 bytes, but had " in refusal(**changes)


@pytest.mark.parametrize("name", [SHARD, "targets"])
def test_what_is_deleted_while_a_training_reads_it_stays_open_until_it_ends(
    tiny_experiment, prepared, at_fourth_step, tmp_path, name
):
    dump_yaml(replace(tiny_experiment, data=(prepared,)), tmp_path / "tiny.yaml")
    runs = [tmp_path / "run", tmp_path / "lost"]
    main(["train", str(tmp_path / "tiny.yaml"), "--out", str(runs[0])])
    place = prepared / name
    at_fourth_step(lambda: shutil.rmtree(place) if place.is_dir() else place.unlink())
    main(["train", str(tmp_path / "tiny.yaml"), "--out", str(runs[1])])
    whole, lost = (one.joinpath("weights.safetensors").read_bytes() for one in runs)
    assert whole == lost
