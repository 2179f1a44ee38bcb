"""The benchmark's session is what both readers take, and its ways read what they say."""

import nibabel
import numpy as np
import pytest

from mindeye.data.betas import read_session
from mindeye.nsd_layout import TRIALS_PER_SESSION
from mindeye.verbs import reading_times
from mindeye.verbs.reading_times import WAYS, ReadingTime, measure, write_session


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of a small grid, in both forms; more voxels than are turned at once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(reading_times, "SHAPE", (16, 17, 15))
    patch.setattr(reading_times, "NSDGENERAL_VOXELS", {1: 550})
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


def test_a_chunk_is_a_voxel_and_the_chunks_of_the_mask_are_what_is_read(session):
    mask = np.load(session / "mask.npy")
    chunk = reading_times.h5py.h5d.DatasetID.read_direct_chunk
    with reading_times.h5py.File(session / "session.hdf5") as file:
        expected = sorted(chunk(file["betas"].id, (0, *p))[1] for p in np.argwhere(mask.T).tolist())
    ours = read_session(session / "session.hdf5", mask, TRIALS_PER_SESSION)
    stored = np.rint(ours.T * 300).astype("<i2")
    assert expected == sorted(row.tobytes() for row in stored)


def test_the_ratio_is_ours_over_bare():
    one = ReadingTime(form="hdf5", seconds=3.0, bare_seconds=2.0, peak_mb=1.0)
    assert one.ratio == 1.5
