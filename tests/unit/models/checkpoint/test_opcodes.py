import os
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mindeye.models.checkpoint.file import open_checkpoint


class Poison:
    """Runs a command in whoever unpickles it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def weights() -> dict[str, torch.Tensor]:
    return {"lin.weight": torch.arange(6.0).reshape(2, 3), "lin.bias": torch.ones(2)}


def save(path: Path, content, **options) -> Path:
    torch.save(content, path, **options)
    return path


def assert_same(found, expected) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def training_leftovers() -> dict:
    """What the published programs saved beside the weights, and worse."""
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=10)
    bound = schedule.state_dict() | {"anneal_func": schedule.get_last_lr}
    return {
        "optimizer_state_dict": optimizer.state_dict(),
        "lr_scheduler": bound,
        "train_losses": [np.float64(0.5), np.arange(3)],
        "counts": defaultdict(list, {"a": [1]}),
        "sizes": [torch.Size([2, 3]), {1, 2}, frozenset({3}), (1, 2, 3, 4), b"bytes", 1 << 80],
    }


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_bound_method_in_the_scheduler_neither_runs_nor_stops_the_reading(tmp_path, protocol):
    content = training_leftovers() | {"model_state_dict": weights(), "epoch": 3}
    path = save(tmp_path / "last.pth", content, pickle_protocol=protocol)
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        torch.load(path, weights_only=True)
    assert_same(open_checkpoint(path).weights, weights())


@pytest.mark.parametrize("place", ["model_state_dict", "lr_scheduler", "inside", "alone"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before-1.6"])
def test_a_poisoned_pickle_is_refused_by_name_and_runs_nothing(tmp_path, place, zipped):
    marker = tmp_path / "ran"
    poison = Poison(marker)
    content = {
        "model_state_dict": {"model_state_dict": poison},
        "lr_scheduler": {"model_state_dict": weights(), "lr_scheduler": poison},
        "inside": {"model_state_dict": weights() | {"b": poison}},
        "alone": poison,
    }[place]
    path = save(tmp_path / "last.pth", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"would run code.*`posix\.system`"):
        open_checkpoint(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # the poison is real


@pytest.mark.parametrize(
    "pickled",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch ran'\no.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x09touch ran\x85R.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"ctorch.serialization\nos.system\n(S'touch ran'\ntR.",
        b"\x80\x04\x8c\x0btorch.optim\x8c\x09os.system\x93\x8c\x09touch ran\x85R.",
        b"ctorch.hub\nload\n(S'a'\ntR.",
        b"ctorch.serialization\nload\n(S'a'\ntR.",
        b"ctorch.utils.cpp_extension\nload_inline\n(S'a'\ntR.",
        b"ctorch\nload\n(S'a'\ntR.",
        b"csubprocess\nPopen\n(S'true'\ntR.",
    ],
)
def test_no_spelling_of_a_call_passes(tmp_path, pickled, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    with pytest.raises(ValueError, match=r"would run code|which no checkpoint needs"):
        open_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_an_object_among_the_weights_is_refused_by_its_name(tmp_path):
    state = {"model_state_dict": weights() | {"extra": torch.device("cpu")}}
    with pytest.raises(ValueError, match=r"`extra` is no plain tensor but `torch\.device`"):
        open_checkpoint(save(tmp_path / "last.pth", state))
    with pytest.raises(ValueError, match=r"`epoch` is no plain tensor but int"):
        open_checkpoint(save(tmp_path / "other.pth", {"epoch": 3}))


@pytest.mark.parametrize("kind", ["zip", "pickle in a sound zip", "before-1.6"])
def test_broken_bytes_lead_to_one_kind_of_refusal(tmp_path, kind):
    path = tmp_path / "last.pth"
    content = training_leftovers() | {"model_state_dict": weights()}
    save(path, content, _use_new_zipfile_serialization=kind != "before-1.6")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refusals = []
    for _ in range(300):
        path.write_bytes(whole)
        if kind == "pickle in a sound zip":
            rewrite(path, lambda pickled: spoiled(pickled, rng))
        else:
            path.write_bytes(spoiled(whole, rng))
        try:
            found = open_checkpoint(path).weights
            assert all(found[name].shape == found.shape_of(name) for name in found)
        except ValueError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert all(message.startswith(str(path)) for message in refusals)


def spoiled(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(len(content), size=rng.integers(1, 6)):
        changed[place] = rng.integers(256)
    return bytes(changed)


def rewrite(path: Path, change) -> None:
    with zipfile.ZipFile(path) as archive:
        contents = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)
