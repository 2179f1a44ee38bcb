"""Betas and atlases on cortical surfaces: left vertices first, then right ones."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import nibabel
import numpy as np
from jaxtyping import Bool, Float32, Int, Int16, Shaped

from mindeye.data.roi import BROKEN, labels_of_names
from mindeye.nsd_layout import PSC_SCALE

_TRIALS_PER_BLOCK = 16


class SurfaceAtlas(NamedTuple):
    """One atlas on both hemispheres; 0 is no label."""

    name: str
    left: Int[np.ndarray, "left"]
    right: Int[np.ndarray, "right"]
    names: dict[int, str]

    def masks(
        self, wanted: Iterable[str] = ()
    ) -> tuple[Bool[np.ndarray, "left"], Bool[np.ndarray, "right"]]:
        """Vertices with one of the wanted labels, or with any label.

        Raises:
            LookupError: a name that the atlas does not have.
        """
        labels = labels_of_names(self.name, self.names, tuple(wanted))
        sides = (self.left, self.right)
        left, right = (np.isin(one, labels) if labels else one > 0 for one in sides)
        return left, right


def read_surface_atlas(
    paths: tuple[Path, Path], name: str, names: Mapping[int, str]
) -> SurfaceAtlas:
    """Both hemispheres' labels; those without a name are called by their number.

    Raises:
        FileNotFoundError: a hemisphere is missing; says which atlases are there.
        ValueError: cut off, or values that are no labels.
    """
    left, right = (_read_labels(path, name) for path in paths)
    found = {int(label) for side in (left, right) for label in np.unique(side) if label > 0}
    unnamed = {label: str(label) for label in sorted(found - names.keys())}
    return SurfaceAtlas(name, left, right, {**names, **unnamed})


def read_surface_map(path: Path) -> Shaped[np.ndarray, "vertices"]:
    """One value a vertex from .mgh or .mgz.

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, no MGH file, or more than one value a vertex.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    values = _reading(path, lambda: np.asanyarray(nibabel.load(path).dataobj))
    if values.size != values.shape[0]:
        raise ValueError(f"{path} has shape {values.shape}, but one value a vertex is needed.")
    return values.reshape(-1)


def read_surface_session(
    paths: tuple[Path, Path],
    masks: tuple[Bool[np.ndarray, "left"], Bool[np.ndarray, "right"]],
    num_trials: int,
) -> Float32[np.ndarray, "trials vertices"]:
    """Percent signal change from .mgh (stored as such) or .hdf5 (stored `PSC_SCALE` times).

    A vertex that the .mgh has no data for is NaN in all trials (subj06 and subj08); the .hdf5 has
    0 there.

    Raises:
        FileNotFoundError: a hemisphere is missing.
        ValueError: cut off, other vertices or trials, another number format, or some trials NaN.
    """
    sides = []
    for path, mask in zip(paths, masks, strict=True):
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is missing. Fetch it: both hemispheres are needed, left and right."
            )
        if path.suffix == ".mgh":
            sides.append(read_mgh(path, mask, num_trials))
        else:
            raw = read_surface_hdf5(path, mask, num_trials).T
            sides.append(np.divide(raw, np.float32(PSC_SCALE), dtype=np.float32))
    return np.concatenate(sides, axis=1)


def read_mgh(
    path: Path, mask: Bool[np.ndarray, "surface"], num_trials: int
) -> Float32[np.ndarray, "trials vertices"]:
    """Stored values of the masked vertices; the file is (vertices, 1, 1, trials).

    Raises:
        ValueError: as `read_surface_session`.
    """
    stored = _reading(path, lambda: nibabel.load(path).dataobj)
    shape = [int(length) for length in (*stored.shape, 1)[:4]]
    _require_layout(path, (shape[0], *shape[3:]), mask, num_trials)
    if stored.dtype.kind != "f" or stored.dtype.itemsize != 4:
        raise ValueError(
            f"{path} holds {stored.dtype}, but NSD's betas on fsaverage are float32 percent "
            "signal change. Was it saved again? Fetch the original."
        )
    betas = np.empty((num_trials, int(mask.sum())), dtype=np.float32)

    def read() -> None:
        for start in range(0, num_trials, _TRIALS_PER_BLOCK):
            stop = min(start + _TRIALS_PER_BLOCK, num_trials)
            betas[start:stop] = stored[:, 0, 0, start:stop][mask].T

    _reading(path, read)
    _require_whole_vertices(path, betas, mask)
    return betas


def _require_whole_vertices(
    path: Path, betas: Float32[np.ndarray, "trials vertices"], mask: Bool[np.ndarray, "surface"]
) -> None:
    """Refuses a vertex with data in some trials only, and infinities."""
    finite = np.isfinite(betas)
    partly = np.flatnonzero(~finite.all(0) & (finite.any(0) | np.isinf(betas).any(0)))
    if len(partly):
        vertex = int(np.flatnonzero(mask)[partly[0]])
        count = int((~finite[:, partly[0]]).sum())
        raise ValueError(
            f"{path}: vertex {vertex} is not finite in {count} of {len(betas)} trials, and "
            f"{len(partly) - 1} more are like it. NSD has NaN in all trials or in none: fetch "
            "the file again."
        )


def read_surface_hdf5(
    path: Path, mask: Bool[np.ndarray, "surface"], num_trials: int
) -> Int16[np.ndarray, "vertices trials"]:
    """Stored integers of the masked vertices; the data set is (trials, vertices).

    Raises:
        ValueError: as `read_surface_session`.
    """

    def read() -> Int16[np.ndarray, "vertices trials"]:
        with h5py.File(path, "r") as file:
            if "betas" not in file:
                raise KeyError(f"it has {list(file)} and no data set `betas`")
            stored = file["betas"]
            _require_layout(path, stored.shape[::-1], mask, num_trials)
            if stored.dtype.kind != "i" or stored.dtype.itemsize != 2:
                raise _RefusedError(
                    f"{path} holds {stored.dtype}, but NSD's betas on nativesurface are int16 "
                    f"({PSC_SCALE} x percent signal change). Fetch the original."
                )
            betas = np.empty((int(mask.sum()), num_trials), dtype=np.int16)
            # One chunk is one vertex: slices of several would read the same bytes, slower.
            for row, vertex in enumerate(np.flatnonzero(mask).tolist()):
                betas[row] = stored[:, vertex]
            return betas

    return _reading(path, read)


class _RefusedError(ValueError):
    """What was read is whole, but not what was asked for: the sentence is already complete."""


def _reading(path: Path, read: Callable[[], Any]) -> Any:
    """Turns what libraries raise for damaged files into one sentence."""
    try:
        return read()
    except _RefusedError:
        raise
    except (
        nibabel.filebasedimages.ImageFileError,
        RuntimeError,
        KeyError,
        TypeError,
        *BROKEN,
    ) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error


def _require_layout(
    path: Path, shape: tuple[int, ...], mask: Bool[np.ndarray, "surface"], num_trials: int
) -> None:
    if len(shape) != 2 or shape[0] != len(mask):
        raise _RefusedError(
            f"{path} has {shape[0]} vertices, but the mask has {len(mask)}. Does the mask belong "
            "to the other hemisphere, another subject or another surface?"
        )
    if shape[1] != num_trials:
        raise _RefusedError(
            f"{path} holds {shape[1]} trials, but the design has {num_trials} in this session. "
            "Was the file cut, or does it hold another experiment?"
        )


def _read_labels(path: Path, name: str) -> Int[np.ndarray, "vertices"]:
    if not path.exists():
        side = path.name.split(".")[0]
        there = sorted(one.name[3:-4] for one in path.parent.glob(f"{side}.*.mgz"))
        close = difflib.get_close_matches(name, there, n=1)
        guess = f" Did you mean `{close[0]}`?" if close else ""
        raise FileNotFoundError(
            f"{path} is missing; this tree has {', '.join(there) or 'no atlas'} on this "
            f"surface.{guess}"
        )
    values = read_surface_map(path)
    rounded = np.rint(np.nan_to_num(values, nan=0.5))
    if not np.array_equal(rounded, values):
        raise ValueError(
            f"{path} holds values that are no whole numbers. Is it a map instead of an atlas?"
        )
    return rounded.astype(np.int32)
