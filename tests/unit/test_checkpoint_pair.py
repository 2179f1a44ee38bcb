"""Two checkpoints in a folder: what a kill, a full disk or a damaged file leaves of them."""

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from mindeye import saved_state
from mindeye.checkpoint_pair import CheckpointPair
from mindeye.saved_state import load_state, save_state


@pytest.fixture
def pair(tmp_path) -> CheckpointPair:
    return CheckpointPair(folder=tmp_path)


def test_the_newest_checkpoint_counts_and_the_one_before_is_kept(pair):
    assert pair.load() is None
    for step in (1, 2, 3):
        pair.save({"step": step})
    assert pair.load() == {"step": 3}
    assert [load_state(path) for path in (pair.newest, pair.before)] == [{"step": 3}, {"step": 2}]
    assert len(list(pair.folder.glob("checkpoint*"))) == 2


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flipped, truncated, emptied])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_says_so(pair, damage, caplog):
    for step in (1, 2):
        pair.save({"step": step, "weights": {"a": torch.full((5,), float(step))}})
    damage(pair.newest)
    assert pair.load()["step"] == 1
    assert "checkpoint.safetensors is damaged" in caplog.text
    assert "checkpoint_before.safetensors takes its place" in caplog.text
    # What is written next must not push the good one out in favour of the damaged one.
    pair.save({"step": 3})
    assert [load_state(path)["step"] for path in (pair.newest, pair.before)] == [3, 1]


def test_a_training_whose_checkpoints_are_all_damaged_is_never_begun_anew(pair):
    for step in (1, 2):
        pair.save({"step": step, "a": torch.ones(3)})
    for path in (pair.newest, pair.before):
        flipped(path)
    with pytest.raises(ValueError, match=r"no checkpoint that can be read: .* Delete its checkpo"):
        pair.load()


def test_a_checkpoint_of_an_earlier_version_is_refused(pair):
    (pair.folder / "checkpoint.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is of an earlier version"):
        pair.load()


@pytest.mark.parametrize("moved", [False, True])
def test_a_kill_between_the_renamings_of_a_checkpoint_loses_nothing(pair, moved):
    pair.save({"step": 1})
    newest, before = pair.newest, pair.before
    save_state(pair.folder / "checkpoint_written.safetensors", {"step": 2})
    if moved:
        newest.rename(before)
    assert pair.load() == {"step": 2}
    assert [load_state(path)["step"] for path in (newest, before)] == [2, 1]


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(pair, monkeypatch):
    pair.save({"step": 1})

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(saved_state, "save_file", full)
    with pytest.raises(OSError, match=r"could not be written .* Is the disk full\?"):
        pair.save({"step": 2})
    assert pair.load() == {"step": 1}
    assert not list(pair.folder.glob(".*"))
