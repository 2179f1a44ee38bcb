"""Tensors and plain values in one file that knows whether it is whole."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mindeye.saved_state import load_state, save_state

STATE = {
    "step": 7,
    "weights": {
        "a.weight": torch.arange(6.0).reshape(2, 3).T,
        "b": torch.tensor(2, dtype=torch.int64),
    },
    "optimizer": {
        "state": {0: {"exp_avg": torch.ones(3, dtype=torch.bfloat16), "step": torch.tensor(3.0)}},
        "param_groups": [{"lr": 1e-3 / 3, "betas": (0.9, 0.999), "fused": None, "on": True}],
    },
    "rate": math.inf,
    "empty": torch.zeros(0, 4),
}


def assert_same(ours, theirs) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert_same(value, theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs):
            assert_same(one, other)
    else:
        assert ours == theirs


def test_a_state_comes_back_with_its_types(tmp_path):
    save_state(tmp_path / "state", STATE)
    assert_same(load_state(tmp_path / "state"), STATE)


def test_any_reader_of_safetensors_finds_the_tensors_by_their_path(tmp_path):
    save_state(tmp_path / "state", STATE)
    tensors = load_file(tmp_path / "state")
    assert torch.equal(tensors["optimizer/state/0/exp_avg"], torch.ones(3, dtype=torch.bfloat16))


def test_every_byte_counts(tmp_path):
    save_state(tmp_path / "state", {"step": 1, "a": torch.arange(3.0)})
    content = (tmp_path / "state").read_bytes()
    for place in range(len(content)):
        wrong = bytearray(content)
        wrong[place] ^= 16
        (tmp_path / "wrong").write_bytes(wrong)
        with pytest.raises(ValueError, match="wrong is damaged"):
            load_state(tmp_path / "wrong")


def test_what_needs_code_to_be_read_is_refused_when_it_is_written(tmp_path):
    with pytest.raises(TypeError, match="`a/0` is Generator"):
        save_state(tmp_path / "state", {"a": [torch.Generator()]})
    assert not (tmp_path / "state").exists()


def test_a_loaded_state_does_not_hold_its_file(tmp_path):
    """A mapped file would keep its room on the disk after it was replaced."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc/self/maps, which Linux has")
    save_state(tmp_path / "state", {"a": torch.ones(1000, 100)})
    state = load_state(tmp_path / "state")
    assert str(tmp_path / "state") not in maps.read_text()
    assert state["a"].sum() == 100_000
