"""Betas in MNI: NIfTI alone, no regions, zeros where a subject has no data."""

import gzip
import shutil
import struct
from typing import NamedTuple

import numpy as np
import pytest

from mindeye.data.doctor.examine import examine_nsd
from mindeye.data.nsd import NSDTree

GRID, TRIALS = (7, 6, 5), 750
FOLDER = "nsddata_betas/ppdata/subj01/MNI/betas_fithrf_GLMdenoise_RR"
NAME = "betas_session01 b3 MNI"


class Template(NamedTuple):
    """One session in MNI."""

    tree: NSDTree
    raw: np.ndarray
    """(x, y, z, trials) int16, 0 outside of `valid`."""
    valid: np.ndarray

    def write(self, name: str, values: np.ndarray, shift=(-91.0, -126.0, -72.0)) -> None:
        """NIfTI-1 by its letter, without nibabel: little endian, x fastest, an sform of 1 mm."""
        code, bits = {"int16": (4, 16), "uint8": (2, 8)}[values.dtype.name]
        shape = (*values.shape, *(1,) * (7 - values.ndim))
        header = bytearray(352)
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, values.ndim, *shape)
        struct.pack_into("<2h", header, 70, code, bits)
        struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
        struct.pack_into("<f", header, 108, 352)
        struct.pack_into("<2h", header, 252, 0, 1)
        for row in range(3):
            affine = [float(row == column) for column in range(3)] + [shift[row]]
            struct.pack_into("<4f", header, 280 + 16 * row, *affine)
        header[344:348] = b"n+1\0"
        path = self.tree.root / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(bytes(header) + values.tobytes(order="F")))


@pytest.fixture
def template(written, tmp_path) -> Template:
    root = shutil.copytree(written.root, tmp_path / "nsd")
    generator = np.random.default_rng(3)
    valid = generator.random(GRID) < 0.6
    raw = generator.normal(300, 600, (*GRID, TRIALS)).astype(np.int16) * valid[..., None]
    made = Template(NSDTree(root), raw.astype(np.int16), valid)
    made.write("betas_session01.nii.gz", made.raw)
    made.write("valid_session01.nii.gz", valid.astype(np.uint8))
    return made


@pytest.fixture
def examined(template):
    """() -> {name: check} of the tree, which is called made up."""

    def examine(simulated: bool = True):
        marker = template.tree.root / "SIMULATED.json"
        marker.write_text('{"simulated": true}') if simulated else marker.unlink(missing_ok=True)
        return {check.name: check for check in examine_nsd(template.tree.root, 1).checks}

    return examine


def in_c_order(template: Template, mask: np.ndarray) -> np.ndarray:
    """Voxel by voxel, x slowest, in percent."""
    columns = [template.raw[x, y, z] for x, y, z in np.ndindex(GRID) if mask[x, y, z]]
    return (np.array(columns).T / 300).astype(np.float32)


def test_the_valid_voxels_of_a_session_are_read(template):
    betas = template.tree.betas(1, 1, "valid", space="MNI")
    assert betas.dtype == np.float32
    np.testing.assert_array_equal(betas, in_c_order(template, template.valid))


def test_a_region_that_was_mapped_to_mni_is_a_mask_too(template, rewrite_volume):
    labels = np.random.default_rng(4).integers(-1, 2, GRID).astype(np.float64)
    path = template.tree.root / "nsddata/ppdata/subj01/MNI/roi/nsdgeneral.nii.gz"
    rewrite_volume(path, labels)
    betas = template.tree.betas(1, 1, space="MNI")
    np.testing.assert_array_equal(betas, in_c_order(template, labels == 1))
    outside = ~template.valid[labels == 1]
    assert outside.any()
    assert (betas[:, outside] == 0).all()


def test_without_a_region_one_is_told_what_there_is(template):
    with pytest.raises(FileNotFoundError, match="no regions in MNI: map them there, or take roi"):
        template.tree.betas(1, 1, space="MNI")
    with pytest.raises(FileNotFoundError, match=r"roi/valid.nii.gz is missing"):
        template.tree.betas(1, 1, "valid")
    (template.tree.root / FOLDER / "valid_session01.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"valid_session01.nii.gz is missing"):
        template.tree.betas(1, 1, "valid", space="MNI")
    folder = template.tree.root / FOLDER
    other = folder.with_name(f"nsdimagery{folder.name}")
    other.mkdir()
    (folder / "betas_session01.nii.gz").rename(other / "betas_nsdimagery.nii.gz")
    with pytest.raises(LookupError, match="no map of valid voxels for nsdimagery in MNI"):
        template.tree.other_betas("nsdimagery", 1, "valid", space="MNI")


def test_the_doctor_reads_mni_without_any_region(template, examined):
    check = examined()[NAME]
    assert check.state == "ok"
    assert check.seen.endswith(f"in {template.valid.sum()} valid voxels")
    assert f"mean {in_c_order(template, template.valid).mean():.2f}," in check.seen


def test_the_doctor_wants_nsd_s_grid_of_a_real_tree(template, examined):
    assert examined(simulated=False)[f"affine of {NAME}"].state == "ok"
    template.write("valid_session01.nii.gz", template.valid.astype(np.uint8), (-90, -126, -72))
    assert examined(simulated=False)[f"affine of {NAME}"].state == "wrong"


def test_the_doctor_sees_data_where_the_map_says_none_and_the_reverse(template, examined):
    wrong = template.valid.copy()
    wrong[tuple(np.argwhere(template.valid)[0])] = False
    wrong[tuple(np.argwhere(~template.valid)[0])] = True
    template.write("valid_session01.nii.gz", wrong.astype(np.uint8))
    check = examined()[NAME]
    assert (check.state, check.seen[-2:]) == ("wrong", " 2")


def test_the_doctor_names_what_is_cut_off_missing_or_not_times_300(template, examined):
    path = template.tree.root / FOLDER / "betas_session01.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in examined()[NAME].seen
    template.write("betas_session01.nii.gz", template.raw // 300)
    assert "divided by 300 already" in examined()[NAME].seen
    (path.parent / "valid_session01.nii.gz").unlink()
    assert examined()[f"valid voxels of {NAME}"].state == "missing"
