"""Made-up NSD files of a real subject's size: what the benchmarks of reading read."""

import gzip
from pathlib import Path

import h5py
import nibabel
import numpy as np
from jaxtyping import Bool, Int16

from mindeye.disk import require_free_space
from mindeye.nsd_layout import NSDGENERAL_VOXELS, TRIALS_PER_SESSION

# Subject 1's grid in func1pt8mm (NSD Data Manual).
SHAPE = (81, 104, 83)
VOXEL_MM, PSEUDO_TR_S = 1.8, 4 / 3
BRAIN_SHARE = 0.32
NUM_BYTES = 3 * 10**9


def write_session(work: Path, seed: int = 0) -> None:
    """One session of made-up betas in both forms at subject 1's size, and its mask."""
    require_free_space(work, NUM_BYTES, "The session in both forms")
    work.mkdir(parents=True)
    brain, mask = regions()
    np.save(work / "mask.npy", mask, allow_pickle=False)
    betas = made_up_betas(brain, np.random.default_rng(seed))
    write_hdf5(work / "session.hdf5", brain, betas)
    inside = np.flatnonzero(brain.ravel(order="F"))
    with gzip.open(work / "session.nii.gz", "wb", compresslevel=6) as stream:
        stream.write(_nifti_header())
        volume = np.zeros(np.prod(SHAPE), dtype="<i2")
        for trial in range(TRIALS_PER_SESSION):
            volume[inside] = betas[:, trial]
            stream.write(volume.tobytes())


def regions() -> tuple[Bool[np.ndarray, "x y z"], Bool[np.ndarray, "x y z"]]:
    """A ball of brain, and as many of its voxels as nsdgeneral has."""
    distance = _distance_from_centre()
    brain = distance < np.quantile(distance, BRAIN_SHARE)
    # A half shell at the back, as the visual cortex.
    at_back = np.arange(SHAPE[1])[None, :, None] < SHAPE[1] // 2
    outermost = np.argsort(np.where(brain & at_back, -distance, 0), axis=None, kind="stable")
    mask = np.zeros(SHAPE, dtype=bool)
    mask.flat[outermost[: NSDGENERAL_VOXELS[1]]] = True
    return brain, mask


def made_up_betas(
    brain: Bool[np.ndarray, "x y z"], rng: np.random.Generator
) -> Int16[np.ndarray, "voxels trials"]:
    """Noise as large as betas; voxels in the order of the file, x fastest."""
    return rng.normal(0, 600, (int(brain.sum()), TRIALS_PER_SESSION)).astype("<i2")


def write_hdf5(
    path: Path, brain: Bool[np.ndarray, "x y z"], betas: Int16[np.ndarray, "voxels trials"]
) -> None:
    """One chunk a voxel, as NSD has them."""
    inside = np.flatnonzero(brain.ravel(order="F"))
    rows = np.full(np.prod(SHAPE), -1)
    rows[inside] = np.arange(len(inside))
    zeros = np.zeros(TRIALS_PER_SESSION, dtype="<i2").tobytes()
    with h5py.File(path, "w") as file:
        shape = (TRIALS_PER_SESSION, *SHAPE[::-1])
        stored = file.create_dataset("betas", shape, "<i2", chunks=(TRIALS_PER_SESSION, 1, 1, 1))
        for place, row in enumerate(rows.tolist()):
            z, y, x = np.unravel_index(place, SHAPE[::-1])
            content = zeros if row < 0 else betas[row].tobytes()
            stored.id.write_direct_chunk((0, int(z), int(y), int(x)), content)


def _distance_from_centre() -> np.ndarray:
    axes = [np.linspace(-1, 1, side) for side in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2


def _nifti_header() -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_dtype("<i2")
    header.set_data_shape((*SHAPE, TRIALS_PER_SESSION))
    header.set_zooms((VOXEL_MM,) * 3 + (PSEUDO_TR_S,))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + b"\0" * (352 - len(header.binaryblock))
