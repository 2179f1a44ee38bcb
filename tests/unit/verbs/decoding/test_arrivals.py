import gzip

import nibabel
import numpy as np
import pytest

from mindeye.verbs.decoding.arrivals import Arrivals, is_whole


def names(arrivals: Arrivals) -> list[str]:
    return [path.name for path in arrivals.ready()]


def arrive(folder, *given: str) -> None:
    for name in given:
        np.save(folder / name, np.zeros(3))


def test_a_file_is_ready_at_its_second_look_and_once(tmp_path):
    arrive(tmp_path, "b.npy", "a.npy")
    arrivals = Arrivals(tmp_path)
    assert [names(arrivals) for _ in range(3)] == [[], ["a.npy", "b.npy"], []]
    assert arrivals.seen == ["a.npy", "b.npy"]


def test_a_file_that_grows_holds_back_those_behind_it(tmp_path):
    arrive(tmp_path, "a.npy", "b.npy")
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-8])
    arrivals = Arrivals(tmp_path)
    assert [names(arrivals) for _ in range(3)] == [[], [], []]
    (tmp_path / "a.npy").write_bytes(whole)
    assert [names(arrivals) for _ in range(2)] == [[], ["a.npy", "b.npy"]]


def test_what_was_decoded_before_a_restart_is_not_decoded_again(tmp_path):
    arrive(tmp_path, "a.npy", "b.npy")
    arrivals = Arrivals(tmp_path, seen=["a.npy"])
    assert [names(arrivals) for _ in range(2)] == [[], ["b.npy"]]


def test_a_file_that_was_not_decoded_stays_in_front(tmp_path):
    arrive(tmp_path, "a.npy", "b.npy")
    arrivals = Arrivals(tmp_path)
    assert names(arrivals) == []
    next(iter(arrivals.ready()))
    assert arrivals.seen == []
    assert names(arrivals) == ["a.npy", "b.npy"]


def test_other_files_hidden_files_and_the_stop_are_no_trials(tmp_path):
    arrive(tmp_path, ".a.npy", "notes.npy")
    for name in ("b.npy.part", "STOP", "log.txt"):
        (tmp_path / name).write_text("x")
    arrivals = Arrivals(tmp_path)
    assert [names(arrivals) for _ in range(2)] == [[], ["notes.npy"]]
    assert arrivals.is_stopped


def test_a_late_file_whose_name_stands_before_is_refused(tmp_path):
    arrive(tmp_path, "b.npy")
    arrivals = Arrivals(tmp_path)
    names(arrivals), names(arrivals)
    arrive(tmp_path, "a.npy")
    names(arrivals)
    with pytest.raises(ValueError, match=r"a\.npy came after b\.npy was decoded"):
        names(arrivals)


def test_an_end_with_a_file_that_never_became_whole_is_refused(tmp_path):
    arrive(tmp_path, "a.npy")
    arrivals = Arrivals(tmp_path)
    names(arrivals), names(arrivals)
    arrivals.require_nothing_left()
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"b\.npy was never whole"):
        arrivals.require_nothing_left()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_volume_is_whole_when_all_its_voxels_are_there(name, tmp_path):
    values = np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    assert is_whole(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for share in (0.05, 0.5, 0.99):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        assert not is_whole(tmp_path / name)
    (tmp_path / name).write_bytes(gzip.compress(b"no volume"))
    assert not is_whole(tmp_path / name)
