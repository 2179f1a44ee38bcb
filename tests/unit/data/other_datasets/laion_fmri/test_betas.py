"""A session's volumes, streamed: order, scale, what has no number, and what does not fit."""

import gzip
import re

import nibabel
import numpy as np
import pytest

from mindeye.data.other_datasets.laion_fmri.betas import read_betas, require_session

GRID = (4, 5, 3)
AFFINE = np.diag([1.778, 1.778, 1.778, 1.0])


def ramp(num_trials, dtype=np.float32):
    """Values that tell trial and position apart."""
    return np.arange(np.prod(GRID) * num_trials).reshape(*GRID, num_trials).astype(dtype)


def test_voxels_stand_in_c_order_of_the_mask(write_volume, tmp_path):
    values = ramp(4)
    path = write_volume(tmp_path / "betas.nii.gz", values)
    mask = np.random.default_rng(1).random(GRID) < 0.5
    np.testing.assert_array_equal(read_betas(path, mask), values[mask].T)


def test_a_scale_in_the_header_is_applied(tmp_path):
    image = nibabel.Nifti1Image(ramp(3, np.int16), AFFINE)
    image.header.set_slope_inter(0.5, 2)
    nibabel.save(image, tmp_path / "betas.nii.gz")
    mask = np.ones(GRID, dtype=bool)
    expected = ramp(3)[mask].T * 0.5 + 2
    np.testing.assert_allclose(read_betas(tmp_path / "betas.nii.gz", mask), expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_voxel_without_a_number_is_zero_in_the_whole_session(write_volume, tmp_path, bad):
    values = ramp(4)
    values[1, 2, 0, 3] = bad
    mask = np.ones(GRID, dtype=bool)
    expected = values[mask].T.copy()
    expected[:, np.flatnonzero(~np.isfinite(expected).all(0))] = 0
    found = read_betas(write_volume(tmp_path / "betas.nii.gz", values), mask)
    np.testing.assert_array_equal(found, expected)


def test_a_session_that_is_cut_off_says_where_it_ends(write_volume, tmp_path):
    path = write_volume(tmp_path / "betas.nii.gz", np.random.default_rng(0).random((*GRID, 40)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"betas.nii.gz cannot be read .* Was it cut off"):
        read_betas(path, np.ones(GRID, dtype=bool))
    whole = write_volume(tmp_path / "short.nii.gz", ramp(40))
    content = gzip.decompress(whole.read_bytes())
    whole.write_bytes(gzip.compress(content[: len(content) - 60 * 4 * 2 - 7]))
    with pytest.raises(ValueError, match=r"ends in trial 37 of 40"):
        read_betas(whole, np.ones(GRID, dtype=bool))


def test_a_session_whose_checksum_fails_is_refused(write_volume, tmp_path):
    path = write_volume(tmp_path / "betas.nii.gz", ramp(4))
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(ValueError, match=r"betas.nii.gz cannot be read .*CRC"):
        read_betas(path, np.ones(GRID, dtype=bool))


@pytest.mark.parametrize(("rows", "said"), [(3, "table is too short"), (5, "betas are too few")])
def test_table_and_volumes_must_agree_in_number(write_volume, tmp_path, rows, said):
    path = write_volume(tmp_path / "betas.nii.gz", ramp(4), AFFINE)
    require_session(path, GRID, AFFINE, 4)
    with pytest.raises(ValueError, match=f"4 volumes, but its table of trials has {rows}.*{said}"):
        require_session(path, GRID, AFFINE, rows)


def test_another_grid_is_refused_by_shape_or_affine(write_volume, tmp_path):
    path = write_volume(tmp_path / "betas.nii.gz", ramp(4), AFFINE)
    with pytest.raises(
        ValueError, match=re.escape("has grid (4, 5, 3), but the ROI has (4, 5, 4)")
    ):
        require_session(path, (4, 5, 4), AFFINE, 4)
    moved = AFFINE.copy()
    moved[0, 3] = 1.5
    with pytest.raises(ValueError, match=r"affine differs from the ROI's by up to 1.5"):
        require_session(path, GRID, moved, 4)
    one = write_volume(tmp_path / "one.nii.gz", ramp(1)[..., 0], AFFINE)
    with pytest.raises(ValueError, match=r"four axes, \(x, y, z, trials\)"):
        require_session(one, GRID, AFFINE, 1)
