"""The written tree with every other space and experiment, by the letter of NSD's manual."""

import gzip
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

TRIALS = 750


class EverySpace(NamedTuple):
    """The written tree with more spaces and experiments, and what they were made of."""

    root: Path
    labels: dict[str, tuple[np.ndarray, np.ndarray]]
    """Surface -> labels of its left and right vertices."""
    percent: tuple[np.ndarray, np.ndarray]
    """fsaverage, session 1: (vertices, trials) float32."""
    native: tuple[np.ndarray, np.ndarray]
    """nativesurface, session 1: (vertices, trials) int16."""
    millimetre: np.ndarray
    """func1mm, session 1: (x, y, z, trials) int16."""
    millimetre_mask: np.ndarray
    others: dict[str, np.ndarray]
    """Experiment -> (x, y, z, trials) int16."""


def write_mgh(path: Path, values: np.ndarray) -> None:
    """FreeSurfer's format by its letter: big endian, vertices fastest, frames last."""
    frames = values.shape[1] if values.ndim == 2 else 1
    number_format, code = (">f4", 3) if values.dtype.kind == "f" else (">i4", 1)
    header = struct.pack(">7ih", 1, len(values), 1, 1, frames, code, 0, 0).ljust(284, b"\0")
    content = header + values.astype(number_format).tobytes(order="F")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".mgz" else content)


@pytest.fixture(scope="session")
def every_space(written, rewrite_betas, rewrite_volume, tmp_path_factory) -> EverySpace:
    """Shared by all tests: read only."""
    root = Path(shutil.copytree(written.root, tmp_path_factory.mktemp("every") / "nsd"))
    generator = np.random.default_rng(11)
    betas, version = root / "nsddata_betas/ppdata/subj01", "betas_fithrf_GLMdenoise_RR"

    def stored(*shape: int) -> np.ndarray:
        return generator.normal(300, 600, shape).astype(np.int16)

    def labelled(folder: str, counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        sides = [generator.integers(0, 3, count) for count in counts]
        for side, labels in zip(("lh", "rh"), sides, strict=True):
            for name in ("nsdgeneral", "streams"):
                write_mgh(root / f"nsddata/freesurfer/{folder}/label/{side}.{name}.mgz", labels)
        return sides[0], sides[1]

    labels = {"fsaverage": labelled("fsaverage", (40, 40))}
    labels["nativesurface"] = labelled("subj01", (30, 37))
    percent = tuple(stored(40, TRIALS).astype(np.float32) / 300 for _ in "lr")
    percent[1][np.flatnonzero(labels["fsaverage"][1])[0]] = np.nan
    native = tuple(stored(count, TRIALS) for count in (30, 37))
    for side, floats, integers in zip(("lh", "rh"), percent, native, strict=True):
        write_mgh(betas / f"fsaverage/{version}/{side}.betas_session01.mgh", floats)
        write_mgh(betas / f"fsaverage/{version}/{side}.ncsnr.mgh", np.abs(floats[:, 0]))
        path = betas / f"nativesurface/{version}/{side}.betas_session01.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("betas", data=integers.T, chunks=(TRIALS, 1))
    millimetre, general = stored(6, 5, 4, TRIALS), generator.integers(-1, 2, (6, 5, 4))
    (betas / f"func1mm/{version}").mkdir(parents=True)
    rewrite_betas(betas / f"func1mm/{version}", 1, millimetre)
    volume = root / "nsddata/ppdata/subj01/func1mm/roi/nsdgeneral.nii.gz"
    rewrite_volume(volume, general.astype(np.float64))
    others = {
        "nsdsynthetic": stored(*written.mask().shape, 744),
        "nsdimagery": stored(*written.mask().shape, 720),
    }
    for name, raw in others.items():
        folder = betas / f"func1pt8mm/{name}{version}"
        folder.mkdir()
        rewrite_betas(folder, 1, raw)
        for ending in ("hdf5", "nii.gz"):
            (folder / f"betas_session01.{ending}").rename(folder / f"betas_{name}.{ending}")
    return EverySpace(root, labels, percent, native, millimetre, general == 1, others)


@pytest.fixture
def own_every_space(every_space: EverySpace, tmp_path: Path) -> EverySpace:
    """A copy that a test may break."""
    return every_space._replace(root=Path(shutil.copytree(every_space.root, tmp_path / "every")))


@pytest.fixture
def rewrite_mgh():
    """(path, values): replaces a map or a session on a surface."""
    return write_mgh
