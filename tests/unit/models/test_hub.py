"""Decoders to the hub and back, without a network."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

from mindeye.models import hub
from mindeye.models.decoder import Decoder
from mindeye.models.saved import load_decoder


def assert_same(ours: Decoder, theirs: Decoder) -> None:
    assert ours.architecture == theirs.architecture
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert ours.state_dict()[name].dtype == value.dtype
        assert torch.equal(ours.state_dict()[name], value)
    for subject, voxels in theirs.architecture.num_voxels_of.items():
        betas = torch.randn(2, voxels)
        # The same weights, but not where they lie in memory: kernels differ in the last bit.
        torch.testing.assert_close(ours(betas, subject), theirs(betas, subject))


def contents(folder) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_decoder_of_every_kind_comes_back_bit_for_bit(kind, small_decoder, tmp_path):
    original = small_decoder(kind)
    original.save_pretrained(tmp_path / "saved")
    decoder = Decoder.from_pretrained(tmp_path / "saved")
    assert_same(decoder, original)
    assert not any(module.training for module in decoder.modules())
    assert not any(parameter.requires_grad for parameter in decoder.parameters())


def test_run_and_hub_form_describe_the_architecture_alike(kind, new_run, tmp_path):
    run = new_run(kind, "trained")
    load_decoder(run).save_pretrained(tmp_path / "saved")
    assert (run / "architecture.json").read_text() == (tmp_path / "saved/config.json").read_text()


def test_the_weights_read_are_the_ones_held(small_decoder, tmp_path, monkeypatch):
    small_decoder("ours").save_pretrained(tmp_path / "saved")
    given = {}

    def read(path):
        given.update(hub_read(path))
        return given

    hub_read = hub.read_weights
    monkeypatch.setattr(hub, "read_weights", read)
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", refuse_values)
    held = Decoder.from_pretrained(tmp_path / "saved").state_dict()
    assert {name: one.data_ptr() for name, one in held.items()} == {
        name: one.data_ptr() for name, one in given.items()
    }


def refuse_values(layer: torch.nn.Linear) -> None:
    assert layer.weight.is_meta, "a random start was drawn"


def test_provenance_and_voxels_travel_without_the_places_of_a_machine(new_run, tmp_path):
    run = new_run("ours", "trained")
    for name in ("once", "twice"):
        decoder = (
            load_decoder(run) if name == "once" else Decoder.from_pretrained(tmp_path / "once")
        )
        decoder.save_pretrained(tmp_path / name)
        files = contents(tmp_path / name)
        assert files["bundle/subj01/meta.json"] == b'{"num_voxels": 7}'
        provenance = json.loads(files["provenance.json"])
        assert provenance["networks"] == {"clip": "a CLIP", "vae": "a VAE"}
        assert [one["subject"] for one in provenance["data"]] == [1]
        assert not any(b"/home/me" in content for content in files.values())


def test_what_is_pushed_is_whole_and_holds_no_pickle(new_run, tmp_path, monkeypatch):
    class Api:
        def __init__(self, token=None):
            assert token == "a token"

        def create_repo(self, repo_id, private, exist_ok):
            assert (private, exist_ok) == (True, True)
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, *, repo_id, folder_path, **settings):
            assert repo_id == "me/mindeye-subj01"
            shutil.copytree(folder_path, tmp_path / "uploaded")
            return "a commit"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    decoder = load_decoder(new_run("ours", "trained"))
    assert decoder.push_to_hub("me/mindeye-subj01", token="a token", private=True) == "a commit"
    files = contents(tmp_path / "uploaded")
    assert set(files) == {
        *("README.md", "config.json", "model.safetensors", "provenance.json"),
        "bundle/subj01/meta.json",
    }
    assert not any(content.startswith((b"\x80", b"PK")) for content in files.values())

    def download(name, *, allow_patterns, revision, **settings):
        assert (name, revision) == ("me/mindeye-subj01", "v1")
        assert not any(pattern.endswith((".bin", ".pt", ".pth", "*")) for pattern in allow_patterns)
        return str(tmp_path / "uploaded")

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert_same(Decoder.from_pretrained("me/mindeye-subj01", revision="v1"), decoder)


def test_a_folder_that_holds_something_is_left_alone(small_decoder, tmp_path):
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        small_decoder("ours").save_pretrained(tmp_path)
    assert contents(tmp_path) == {"config.json": b"mine"}


def test_a_decoder_whose_run_has_gone_is_not_saved_without_its_origin(new_run, tmp_path):
    run = new_run("ours", "simulated")
    decoder = load_decoder(run)
    shutil.rmtree(run)
    with pytest.raises(FileNotFoundError, match="has gone, and with it what is known"):
        decoder.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("config.json", None, FileNotFoundError, r"holds no config\.json.*Is it a run\?"),
        ("config.json", '{"decoder": ', ValueError, r"config\.json is not readable JSON"),
        ("config.json", "[]", ValueError, r"describes no decoder of this mindeye"),
        ("config.json", '{"hidden_size": 768}', ValueError, r"Unknown config key `hidden_size`"),
        ("model.safetensors", None, FileNotFoundError, r"holds no model\.safetensors"),
        ("model.safetensors", "half", ValueError, r"model\.safetensors is damaged"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused(
    small_decoder, tmp_path, name, content, error, message
):
    small_decoder("ours").save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(error, match=message) as caught:
        Decoder.from_pretrained(tmp_path / "saved")
    assert "\n" not in str(caught.value)


def test_the_weights_of_another_decoder_are_refused(small_decoder, tmp_path):
    for kind in ("ours", "mindeye1"):
        small_decoder(kind).save_pretrained(tmp_path / kind)
    shutil.copy(tmp_path / "ours/model.safetensors", tmp_path / "mindeye1")
    with pytest.raises(ValueError, match=r"model\.safetensors does not fit config\.json beside it"):
        Decoder.from_pretrained(tmp_path / "mindeye1")


@pytest.mark.parametrize(
    "error",
    [HFValidationError("no name"), RepositoryNotFoundError.__new__(RepositoryNotFoundError)],
)
def test_a_name_that_is_neither_folder_nor_repository_is_refused(monkeypatch, error):
    def download(name, **settings):
        raise error

    monkeypatch.setattr(hub, "snapshot_download", download)
    with pytest.raises(FileNotFoundError, match="runs/mine is neither a folder nor a repository"):
        Decoder.from_pretrained("runs/mine")
