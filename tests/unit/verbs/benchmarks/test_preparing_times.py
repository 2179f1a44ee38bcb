"""The benchmark's tree is one that is prepared as any other, labelled as made up."""

import pytest

from mindeye.data.nsd import NSDTree
from mindeye.verbs.benchmarks import made_up_session, preparing_times
from mindeye.verbs.benchmarks.preparing_times import (
    measure_preparing,
    preparing_sentence,
    write_tree,
)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(made_up_session, "SHAPE", (8, 9, 7))
    monkeypatch.setattr(made_up_session, "NSDGENERAL_VOXELS", {1: 40})
    monkeypatch.setattr(preparing_times, "NUM_SESSIONS", 2)
    write_tree(tmp_path / "work")
    return tmp_path / "work"


def test_sessions_of_one_file_are_prepared_and_memory_told_along_the_way(work):
    tree = NSDTree(work / "tree")
    assert tree.sessions(1) == (1, 2)
    assert tree.mask(1).sum() == 40
    assert tree.simulated() == {"benchmark": True}
    seen = measure_preparing(work)
    assert seen["trials"] == 1500
    peaks = [seen[f"peak_mb{when}"] for when in ("_before", "_after_first", "_after_half", "")]
    assert sorted(peaks) == peaks
    sentence = preparing_sentence(seen)
    assert sentence.startswith("1,500 trials of 2 sessions in ")
    assert f"at most {seen['peak_mb']:.0f} MB" in sentence
