"""Volumes: NIfTI without a scale, and NSD's HDF5 with one chunk per voxel."""

import gzip
from pathlib import Path

import h5py
import nibabel
import numpy as np
from jaxtyping import Bool, Float, Int16

from mindeye import nsd_layout as nsd

GZIP_LEVEL = 1
"""Noise hardly gets smaller at higher levels, which take several times longer."""


def write_nifti(
    path: Path, volume: np.ndarray, affine: Float[np.ndarray, "4 4"] | None = None
) -> None:
    """Writes a volume, or a series of them; same bytes every time.

    Args:
        affine: None gives NSD's own header.
    """
    sizes = [nsd.VOXEL_SIZE_MM] * 3 + [nsd.TR_S]
    if affine is None:
        affine = nsd.functional_affine(volume.shape[:3])
    else:
        sizes = [*np.linalg.norm(affine[:3, :3], axis=0), 1]
    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(volume.dtype)
    header.set_data_shape(volume.shape)
    header["pixdim"][1:5] = sizes
    header.set_sform(affine, code=1)
    header["qform_code"] = 0
    header["scl_slope"] = 0
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", GZIP_LEVEL, fileobj=raw, mtime=0) as stream,
    ):
        stream.write(header.binaryblock + bytes(4))
        stream.write(volume.tobytes(order="F"))


def write_betas(
    folder: Path,
    stem: str,
    betas: Int16[np.ndarray, "trials voxels"],
    brain: Bool[np.ndarray, "x y z"],
) -> None:
    """Writes one session in both of NSD's formats as `stem`; betas are 0 outside of the brain."""
    folder.mkdir(parents=True, exist_ok=True)
    volumes = np.zeros((*brain.shape, len(betas)), dtype=np.int16)
    volumes[brain] = betas.T
    write_nifti(folder / f"{stem}.nii.gz", volumes)
    num_trials = len(betas)
    with h5py.File(folder / f"{stem}.hdf5", "w") as file:
        dataset = file.create_dataset(
            "betas",
            shape=(num_trials, *brain.shape[::-1]),
            dtype="<i2",
            chunks=(num_trials, 1, 1, 1),
            fillvalue=0,
        )
        columns = np.ascontiguousarray(betas.T.astype("<i2"))
        for column, (x, y, z) in zip(columns, np.argwhere(brain), strict=True):
            dataset.id.write_direct_chunk((0, z, y, x), column.tobytes())
