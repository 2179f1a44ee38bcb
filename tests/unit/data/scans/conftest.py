"""A made-up brain of 9 x 8 x 7 voxels, its bundle, and its scans as arrays."""

from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pytest

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan

SHAPE = (9, 8, 7)
AFFINE = np.array([[2.0, 0, 0, -8], [0, 2, 0, -7], [0, 0, 2, -6], [0, 0, 0, 1]])
TRIALS = 60
AREAS = ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4")


class Brain(NamedTuple):
    """Everything in percent signal change; arrays are to be left alone."""

    bundle: VoxelBundle
    volumes: np.ndarray
    """(x, y, z, trials) float32: the whole brain, also outside of the mask."""

    @property
    def mask(self) -> np.ndarray:
        return self.bundle.mask()

    @property
    def betas(self) -> np.ndarray:
        """(trials, voxels), by the definition of the order: x slowest."""
        voxels = [
            self.volumes[x, y, z]
            for x in range(SHAPE[0])
            for y in range(SHAPE[1])
            for z in range(SHAPE[2])
            if self.mask[x, y, z]
        ]
        return np.stack(voxels, axis=1)


def made_brain(seed: int = 0, num_trials: int = TRIALS) -> Brain:
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:7, 1:7, 1:6] = rng.random((5, 6, 5)) < 0.8
    mean = rng.normal(0.8, 1.0, SHAPE)
    std = rng.uniform(0.8, 3.0, SHAPE)
    volumes = mean[..., None] + std[..., None] * rng.normal(size=(*SHAPE, num_trials))
    coordinates = np.argwhere(mask).astype(np.int16)
    num_voxels = len(coordinates)
    session_means = mean[mask] + rng.normal(0, 0.1, (2, num_voxels))
    bundle = VoxelBundle(
        subject=1,
        space="func1pt8mm",
        roi="nsdgeneral",
        beta_version="b3",
        zscore="session-train",
        sessions=(1, 2),
        shape=SHAPE,
        affine=AFFINE,
        coordinates=coordinates,
        mean=session_means.astype(np.float32),
        std=np.tile(std[mask], (2, 1)).astype(np.float32),
        mean_map=session_means.mean(0).astype(np.float32),
        ncsnr=np.ones(num_voxels, dtype=np.float32),
        label_of_voxel={
            "prf-visualrois": rng.integers(0, 8, num_voxels).astype(np.int16),
        },
        label_names={"prf-visualrois": dict(enumerate(AREAS, start=1))},
    )
    return Brain(bundle, volumes.astype(np.float32))


def save_nifti(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE, code: int = 1) -> Path:
    image = nibabel.Nifti1Image(values, affine)
    image.set_qform(None, code=0)
    image.set_sform(affine, code=code)
    nibabel.save(image, path)
    return path


@pytest.fixture(scope="session")
def brain() -> Brain:
    """Shared: read only."""
    return made_brain()


@pytest.fixture(scope="session")
def write_nifti():
    """(path, values, affine, sform code) -> path."""
    return save_nifti


@pytest.fixture(scope="session")
def other_brain() -> Brain:
    """Another person on the same grid."""
    return made_brain(seed=1)


@pytest.fixture
def verdict(brain, tmp_path):
    """(betas or path, options) -> check results by name, also of a refused scan."""

    def check(scan, bundle=brain.bundle, **options):
        path = scan
        if isinstance(scan, np.ndarray):
            path = tmp_path / "betas.npy"
            np.save(path, scan)
        try:
            results = check_scan(read_scan([path], bundle, **options), bundle)
        except RefusedScanError as error:
            results = error.results
        return {one.name: one for one in results}

    return check


@pytest.fixture
def volume(brain, tmp_path, write_nifti):
    """(values, file name, other options of a NIfTI) -> path."""

    def write(values=brain.volumes, name="betas.nii.gz", **options):
        return write_nifti(tmp_path / name, values, **options)

    return write


@pytest.fixture
def mask_of(brain, tmp_path, write_nifti):
    """(values, affine) -> path of a mask."""

    def write(values, **options):
        return write_nifti(tmp_path / "mask.nii.gz", values, **options)

    return write


@pytest.fixture
def save_array():
    """(folder, form, betas) -> the file of an array in that form."""
    return _save_array


def _save_array(folder, form, betas):
    path = folder / f"betas.{form}"
    if form == "npy":
        np.save(path, betas)
    elif form == "npz":
        np.savez(path, betas=betas, subject=1)
    elif form in ("h5", "hdf5"):
        with h5py.File(path, "w") as file:
            file["betas"], file["onsets"] = betas, np.arange(3)
    else:
        separator = "\t" if form == "tsv" else ","
        rows = [separator.join(f"{value:.9g}" for value in row) for row in betas]
        header = separator.join(f"v{column}" for column in range(betas.shape[1]))
        path.write_text("\r\n".join([header, *rows]) + "\r\n", newline="")
    return path
