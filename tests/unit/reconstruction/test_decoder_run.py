import shutil
from pathlib import Path

import pytest

from mindeye.data.bundle import VoxelBundle
from mindeye.files import read_json, write_json
from mindeye.reconstruction.decoder_run import open_decoder


@pytest.fixture
def own(trained_run, tmp_path) -> Path:
    return Path(shutil.copytree(trained_run, tmp_path / "own"))


def change(run: Path, **entries) -> None:
    path = run / "provenance.json"
    write_json(path, {**read_json(path), **entries})


def test_a_run_opens_without_its_prepared_folder(own, tmp_path):
    paths = read_json(own / "provenance.json")["paths"]
    change(own, paths={**paths, "data": [str(tmp_path / "gone")]})
    run = open_decoder(own)
    assert run.artist is not None
    assert run.limits is None
    assert run.bundle.num_voxels == 20
    assert run.subject == 1
    assert run.about["simulated"]["preset"] == "tests"


def test_a_converted_run_opens_without_networks_and_says_what_it_cannot_give(own):
    change(own, networks=None, data=[], converted={"family": "mindeye2"})
    run = open_decoder(own)
    assert run.artist is None
    assert run.vae is None
    assert "was converted" in run.limits
    assert "no pictures" in run.limits
    assert run.about["simulated"] is None


def test_a_generator_of_other_tokens_is_left_out(own, monkeypatch):
    monkeypatch.undo()
    run = open_decoder(own)
    assert run.generator is None
    assert run.vae is not None
    assert run.limits.startswith("No generator here takes tokens of 5 x 16")


def test_another_subject_is_refused_with_those_that_the_run_knows(own):
    with pytest.raises(LookupError, match="no ridge layer for subject 7; it knows 1"):
        open_decoder(own, subject=7)


def test_a_bundle_that_is_gone_or_of_other_voxels_is_refused(own, trained_run):
    folder = own / "bundle" / "subj01"
    bundle = VoxelBundle.load(folder)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match=r"subj01.meta\.json is missing"):
        open_decoder(own)
    fewer = {name: getattr(bundle, name)[..., :9] for name in ("mean", "std", "mean_map", "ncsnr")}
    others = {name: value for name, value in vars(bundle).items() if name not in fewer}
    VoxelBundle(**others, **fewer).save(folder)
    with pytest.raises(ValueError, match="decodes 20 voxels of subject 1, but its bundle has 9"):
        open_decoder(own)


def test_networks_other_than_those_of_the_training_are_refused(own):
    change(own, networks={"clip": "another", "vae": "another"})
    with pytest.raises(ValueError, match="was trained on targets of"):
        open_decoder(own)
