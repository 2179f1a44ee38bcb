"""GLMsingle's outputs: hdf5, npz, mat, and its pickled npy.

Source: cvnlab/GLMsingle, `glm_estimatesinglemodel`: `betasmd` (MATLAB: `modelmd`) is (x, y, z,
trials), or (voxels, 1, 1, trials) for data that came as a list of voxels; percent signal change.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.arrays import DAMAGED, VOXELS_FIRST, reading_of
from mindeye.data.scans.grid import MaskFile
from mindeye.data.scans.numpy_pickle import read_numpy_pickle
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.volume_arrays import read_volume_array

NAMES = ("betasmd", "modelmd")
KINDS = (
    "TYPED_FITHRF_GLMDENOISE_RR",
    "TYPEC_FITHRF_GLMDENOISE",
    "TYPEB_FITHRF",
    "TYPEA_ONOFF",
)
# No ValueError: refusals are some.
_UNREADABLE = (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)
SUFFIXES = (".hdf5", ".h5", ".npz", ".mat", ".npy")


def file_in_folder(folder: Path) -> Path | None:
    """The betas of GLMsingle's last model in its output folder, safest form first."""
    files = (folder / f"{KINDS[0]}{suffix}" for suffix in SUFFIXES)
    return next((path for path in files if path.is_file()), None)


def names_of(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an npz, hdf5 or mat file.

    Raises:
        ValueError: damaged.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return tuple(archive.files)
        if path.suffix == ".mat" and not h5py.is_hdf5(path):
            return tuple(name for name, *_ in scipy.io.whosmat(path))
        with h5py.File(path, "r") as file:
            return tuple(name for name, one in file.items() if isinstance(one, h5py.Dataset))
    except (*DAMAGED, scipy.io.matlab.MatReadError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error


def read_glmsingle(
    path: Path, bundle: VoxelBundle, mask: MaskFile | None, *, trust: bool
) -> Reading:
    """Betas of one GLMsingle model.

    Raises:
        ValueError: damaged, no betas inside, a pickle that is not trusted, or other voxels.
    """
    form = f"GLMsingle {next((kind for kind in KINDS if kind in path.name), 'output')}"
    try:
        with _opened(path, trust) as (stored, reverse):
            shape = stored.shape[::-1] if reverse else stored.shape
            if len(shape) == 4 and shape[1:3] != (1, 1):
                return read_volume_array(
                    path.name, stored, bundle, mask, reverse=reverse, form=form
                )
            flat = np.asarray(stored).T if reverse else np.asarray(stored)
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
    if flat.ndim not in (2, 4):
        raise ValueError(
            f"{path} has betas of shape {flat.shape}. Give one beta a trial: (x, y, z, trials) or "
            "(voxels, 1, 1, trials)."
        )
    columns = flat.reshape(len(flat), flat.shape[-1])
    return reading_of(path, columns, bundle, mask, VOXELS_FIRST, form)


@contextmanager
def _opened(path: Path, trust: bool) -> Iterator[tuple[Any, bool]]:
    """The stored betas, and whether their axes are reversed, as MATLAB's are to h5py."""
    if path.suffix == ".npy":
        yield _betas_of(path, read_numpy_pickle(path, trust=trust)), False
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            yield archive[_name(path, archive.files)], False
    elif path.suffix == ".mat" and not h5py.is_hdf5(path):
        yield _betas_of(path, scipy.io.loadmat(path, variable_names=NAMES)), False
    else:
        with h5py.File(path, "r") as file:
            stored = file[_name(path, list(file))]
            yield stored, path.suffix == ".mat" or "MATLAB_class" in stored.attrs


def _betas_of(path: Path, content: Any) -> np.ndarray:
    names = list(content) if isinstance(content, dict) else []
    betas = content[_name(path, names)]
    if not isinstance(betas, np.ndarray) or betas.dtype.kind not in "fiu":
        raise ValueError(f"The betas in {path} are {type(betas).__name__}, no array of numbers.")
    return betas


def _name(path: Path, names: list[str]) -> str:
    """What the betas are called in a file.

    Raises:
        ValueError: no betas among the names.
    """
    for name in NAMES:
        if name in names:
            return name
    raise ValueError(
        f"{path} holds {', '.join(names[:8]) or 'nothing with a name'}, and no `{NAMES[0]}`. Is it "
        "another of GLMsingle's outputs? Betas are in TYPED_FITHRF_GLMDENOISE_RR."
    )
