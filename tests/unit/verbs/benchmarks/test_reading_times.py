"""The benchmark's session is what both readers take, and its ways read what they say."""

import os

import nibabel
import numpy as np
import pytest

from mindeye.data.betas import read_session
from mindeye.nsd_layout import TRIALS_PER_SESSION
from mindeye.verbs.benchmarks import made_up_session, reading_times
from mindeye.verbs.benchmarks.made_up_session import write_session
from mindeye.verbs.benchmarks.page_cache import cached_share, make_cold
from mindeye.verbs.benchmarks.reading_times import COLD, STATES, WARM, WAYS, ReadingTime, measure


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of a small grid, in both forms; more voxels than are turned at once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(made_up_session, "SHAPE", (16, 17, 15))
    patch.setattr(made_up_session, "NSDGENERAL_VOXELS", {1: 550})
    work = tmp_path_factory.mktemp("times") / "session"
    write_session(work)
    patch.undo()
    return work


def test_both_forms_hold_the_same_betas_of_as_many_voxels_as_asked_for(session):
    mask = np.load(session / "mask.npy")
    assert mask.sum() == 550
    first, second = (
        read_session(session / name, mask, TRIALS_PER_SESSION)
        for name in ("session.hdf5", "session.nii.gz")
    )
    np.testing.assert_array_equal(first, second)
    assert (first.std(0) > 1).all()
    volume = nibabel.load(session / "session.nii.gz")
    whole = np.asanyarray(volume.dataobj)
    np.testing.assert_array_equal(whole[mask].T / np.float32(300), first)


def test_every_way_is_measured_and_another_refused(session):
    for way in WAYS:
        found = measure(session, way)
        assert found["seconds"] > 0
        assert found["peak_mb"] > 0
    with pytest.raises(LookupError, match="Unknown way of reading `tar`"):
        measure(session, "tar")
    with pytest.raises(LookupError, match=r"Unknown state `hot`. Choose one of cold, warm"):
        measure(session, "hdf5", "hot")


def test_a_cold_reading_begins_without_the_file_and_a_warm_one_with_it(session, monkeypatch):
    shares = {}
    for state in STATES:

        def looking(path, mask, state=state):
            shares[state] = cached_share(path)

        monkeypatch.setitem(WAYS, "hdf5", ("session.hdf5", looking))
        (session / "session.hdf5").read_bytes()
        measure(session, "hdf5", state)
    assert shares[COLD] < 0.05
    assert shares[WARM] == 1


def test_a_file_that_stays_in_memory_is_not_called_cold(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(bytes(100_000))
    monkeypatch.setattr("os.posix_fadvise", lambda *arguments: None)
    with pytest.raises(OSError, match=r"100% of .*a stays in memory"):
        make_cold(path)


def test_the_share_in_memory_is_that_of_the_pages_that_were_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(4096 * 1000))
    assert cached_share(path) == 1
    make_cold(path)
    with path.open("rb", buffering=0) as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # nothing is read ahead
        os.pread(stream.fileno(), 4096 * 10, 4096 * 500)
    assert cached_share(path) == pytest.approx(0.01)


def test_a_chunk_is_a_voxel_and_the_chunks_of_the_mask_are_what_is_read(session):
    mask = np.load(session / "mask.npy")
    chunk = reading_times.h5py.h5d.DatasetID.read_direct_chunk
    with reading_times.h5py.File(session / "session.hdf5") as file:
        expected = sorted(chunk(file["betas"].id, (0, *p))[1] for p in np.argwhere(mask.T).tolist())
    ours = read_session(session / "session.hdf5", mask, TRIALS_PER_SESSION)
    stored = np.rint(ours.T * 300).astype("<i2")
    assert expected == sorted(row.tobytes() for row in stored)


def test_the_ratio_is_ours_over_bare():
    one = ReadingTime(form="hdf5", state=COLD, seconds=3.0, bare_seconds=2.0, peak_mb=1.0)
    assert one.ratio == 1.5


def test_rounds_ask_for_every_way_cold_and_then_warm_and_medians_are_told(monkeypatch):
    asked = []

    def told(command):
        asked.append(tuple(command[1:]))
        return {"seconds": float(len(asked)), "peak_mb": 5.0}

    monkeypatch.setattr(reading_times, "told", told)
    found = reading_times.reading_times(["program"], 3, lambda done, total: None)
    assert asked == 3 * [("read", way, state) for way in WAYS for state in (COLD, WARM)]
    assert [(one.form, one.state) for one in found] == [
        *(("hdf5", COLD), ("hdf5", WARM), ("nii.gz", COLD), ("nii.gz", WARM)),
    ]
    # Of the second round, each a second after the other.
    assert [one.seconds for one in found] == [11, 12, 15, 16]
    assert [one.bare_seconds for one in found] == [13, 14, 17, 18]
