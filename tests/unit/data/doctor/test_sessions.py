"""Betas that are cut, contradict each other, or are in another unit."""

import h5py
import numpy as np
import pytest

from mindeye.data.doctor.examine import examine_nsd
from mindeye.data.doctor.sessions import mean_check, presence_checks, read, readings
from mindeye.data.nsd import NSDTree


def second(tree):
    """What the doctor says of session 2."""
    nsd = NSDTree(tree.root)
    (reading,) = [one for one in readings(nsd, 1) if one.session.number == 2]
    (check,), mean = read(nsd, reading)
    return check, mean


def test_a_session_is_read_in_both_forms_and_its_mean_returned(whole_tree):
    check, mean = second(whole_tree)
    assert check.state == "ok"
    expected = whole_tree.raw[1][whole_tree.mask()].T / 300
    sd = np.median(expected.std(0, ddof=1))
    assert check.seen == (
        f"hdf5 = nii.gz, mean {expected.mean():.2f}, SD {sd:.2f}, "
        f"0 of {expected.shape[1]} without data"
    )
    np.testing.assert_allclose(mean, expected.mean(0), rtol=1e-4)


@pytest.mark.parametrize("extension", ["hdf5", "nii.gz"])
def test_a_cut_file_is_named_although_the_other_form_is_whole(whole_tree, extension):
    path = whole_tree.betas / f"betas_session02.{extension}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    check, mean = second(whole_tree)
    assert check.state == "wrong"
    assert f"betas_session02.{extension} cannot be read" in check.seen
    assert mean is None


def test_two_files_of_one_session_that_disagree_are_wrong(whole_tree):
    with h5py.File(whole_tree.betas / "betas_session02.hdf5", "r+") as file:
        x, y, z = np.argwhere(whole_tree.mask())[7]
        file["betas"][400, z, y, x] += 1
    check, _ = second(whole_tree)
    count = whole_tree.mask().sum()
    assert (check.state, check.seen) == (
        "wrong",
        f"hdf5 and nii.gz differ in 1 of {count} voxels",
    )


def test_one_form_is_enough(whole_tree):
    (whole_tree.betas / "betas_session02.hdf5").unlink()
    check, _ = second(whole_tree)
    assert check.state == "ok"
    assert check.seen.startswith("nii.gz, mean")


def test_fewer_trials_than_the_design_are_wrong(whole_tree, rewrite_betas):
    rewrite_betas(whole_tree.betas, 2, whole_tree.raw[1][..., :740])
    assert "holds 740 trials, but the design has 750" in second(whole_tree)[0].seen


@pytest.mark.parametrize(
    ("scale", "message"), [(1 / 300, "divided by 300"), (20, "300 times too large")]
)
def test_another_unit_is_named(whole_tree, rewrite_betas, scale, message):
    raw = np.clip(whole_tree.raw[1] * scale, -32767, 32767).astype(np.int16)
    rewrite_betas(whole_tree.betas, 2, raw)
    check, _ = second(whole_tree)
    assert check.state == "wrong"
    assert message in check.seen


def test_a_file_that_was_not_written_to_its_end_is_wrong(whole_tree, rewrite_betas):
    """Chunks of most voxels are absent: HDF5 reads them as 0 and finds nothing amiss."""
    (whole_tree.functional / "valid_session02.nii.gz").unlink()
    raw = whole_tree.raw[1].copy()
    raw[4:] = 0
    rewrite_betas(whole_tree.betas, 2, raw)
    check, _ = second(whole_tree)
    empty = whole_tree.mask()[4:].sum()
    assert check.state == "wrong"
    assert f"{empty} of {whole_tree.mask().sum()} without data" in check.seen


def test_a_voxel_without_data_must_be_one_outside_of_the_slab(whole_tree, rewrite_betas):
    raw = whole_tree.raw[1].copy()
    raw[tuple(np.argwhere(whole_tree.mask())[3])] = 0
    rewrite_betas(whole_tree.betas, 2, raw)
    check, _ = second(whole_tree)
    assert check.state == "wrong"
    assert check.seen.endswith("; the valid-voxel map says otherwise in 1")


def test_a_session_missing_in_the_middle_stops(whole_tree):
    for extension in ("hdf5", "nii.gz"):
        path = whole_tree.betas / f"betas_session01.{extension}"
        path.rename(path.with_name(f"betas_session04.{extension}"))
    nsd = NSDTree(whole_tree.root)
    hole, there = presence_checks(nsd, 1, readings(nsd, 1))
    assert hole.stops
    assert [path.name for path in hole.paths] == ["betas_session01.hdf5", "betas_session03.hdf5"]
    assert there.seen == "2, last 4"


def test_sessions_after_the_last_one_are_missing_but_not_needed(whole_tree):
    (whole_tree.root / "SIMULATED.json").unlink()
    nsd = NSDTree(whole_tree.root)
    _, later = presence_checks(nsd, 1, readings(nsd, 1))
    assert not later.stops
    assert [path.name[-7:-5] for path in later.paths] == [f"{one:02d}" for one in range(3, 41)]


def test_a_subject_without_any_session_stops(whole_tree):
    whole_tree.betas.rename(whole_tree.root / "elsewhere")
    (check,) = presence_checks(NSDTree(whole_tree.root), 1, [])
    assert check.stops
    assert len(check.paths) == 40
    stopping = [one.name for one in examine_nsd(whole_tree.root).checks if one.stops]
    assert stopping == ["sessions"]


@pytest.mark.parametrize(("divisor", "state"), [(1, "ok"), (300, "wrong")])
def test_a_mean_that_was_divided_already_is_wrong(whole_tree, rewrite_volume, divisor, state):
    mean = whole_tree.raw.astype(np.float64).mean((0, 4)).astype(np.float32)
    rewrite_volume(whole_tree.betas / "meanbeta.nii.gz", mean / np.float32(divisor))
    nsd = NSDTree(whole_tree.root)
    means = [nsd.betas(1, session).mean(0) for session in (1, 2)]
    (check,) = mean_check(nsd, 1, "b3", means)
    assert check.state == state
    assert float(check.seen) == pytest.approx(1 / divisor, rel=0.01)
