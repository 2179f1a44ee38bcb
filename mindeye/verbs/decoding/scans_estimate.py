"""`mindeye scans estimate`: a folder of time series -> betas on disk, to be decoded many times."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Float32

from mindeye.data.scans.bids import require_nilearn
from mindeye.data.scans.grid import Grid, check_mask_values, check_same_grid, read_mask
from mindeye.data.scans.results import require_passed
from mindeye.data.scans.series.request import SeriesRequest
from mindeye.data.scans.series.runs import find_runs
from mindeye.data.scans.table import Trial
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, holds_something, write_json, write_text

_COLUMNS = ("trial", "image_id", "name", "session", "run", "repeat")
# Betas are noise to a packer: more effort takes minutes and saves next to nothing.
_EFFORT = 1


@dataclass(frozen=True, kw_only=True)
class EstimatedBetas:
    """What was written."""

    betas: Path
    mask: Path
    trials: Path
    num_trials: int
    num_voxels: int
    method: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen, with the command that takes it."""
        return (
            f"{self.num_trials:,} trials of {self.num_voxels:,} voxels: {self.method}",
            f"betas: {self.betas}",
            f"decode: mindeye decode {self.betas} --mask {self.mask} --trials {self.trials} "
            "--units psc --run RUN --out DIR",
        )


def estimate_scan(
    folder: Path,
    out: Path,
    request: SeriesRequest,
    *,
    mask: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EstimatedBetas:
    """Writes betas of the brain, its mask, the trials, and how the betas were made.

    Args:
        mask: takes only these voxels of the brain.
        progress: told how many volumes were read.

    Raises:
        FileNotFoundError, LookupError, ValueError: as `open_series`; nilearn is missing; the mask
            is another grid's; or `out` holds something. Nothing was written.
    """
    if holds_something(out):
        raise ValueError(f"{out} holds something already. Give a new folder.")
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}. Give fMRIPrep's output folder.")
    find_runs(folder, request)  # what nilearn has no part in is said first
    require_nilearn(folder)
    from mindeye.data.scans.series.estimate import each_run, open_series

    series = open_series(folder, request)
    inside = series.brain if mask is None else _narrowed(series.brain, series.grid, mask)
    require_free_space(out, len(series.trials) * int(inside.sum()) * 4, "The betas")
    prefix = series.runs[0].files.prefix
    names = (f"{prefix}_betas.nii.gz", f"{prefix}_mask.nii.gz", "trials.tsv")
    shape, affine = (*inside.shape, len(series.trials)), series.grid.affine
    runs = each_run(series, np.flatnonzero(inside), progress)
    with atomic_folder(out) as part:
        _write_betas(part / names[0], shape, affine, inside, runs)
        nibabel.save(_image(inside.astype(np.uint8), affine), part / names[1])
        write_text(part / names[2], _table(series.trials))
        write_json(part / "about.json", {"voxels": int(inside.sum()), **series.about})
    return EstimatedBetas(
        betas=out / names[0],
        mask=out / names[1],
        trials=out / names[2],
        num_trials=len(series.trials),
        num_voxels=int(inside.sum()),
        method=series.method,
    )


def _narrowed(
    brain: Bool[np.ndarray, "x y z"], grid: Grid, mask: Path
) -> Bool[np.ndarray, "x y z"]:
    """The voxels of the brain that lie in a mask."""
    narrower = read_mask(mask)
    require_passed(mask.name, [check_same_grid(narrower, grid)])
    require_passed(mask.name, [check_mask_values(narrower)])
    inside = brain & narrower.inside
    if not inside.any():
        raise ValueError(f"No voxel of {mask} lies in the brain masks of all runs. Is it theirs?")
    return inside


def _write_betas(
    path: Path,
    shape: tuple[int, int, int, int],
    affine: np.ndarray,
    inside: Bool[np.ndarray, "x y z"],
    runs: Iterator[Float32[np.ndarray, "trials voxels"]],
) -> None:
    """A 4-D NIfTI, trial by trial, so that never more than a run is in memory; 0 outside."""
    header = _image(np.zeros(shape[:3], dtype=np.float32), affine).header
    header.set_data_shape(shape)
    # Without name and time in its header, the same betas give the same bytes.
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", _EFFORT, fileobj=file, mtime=0) as stream,
    ):
        header.write_to(stream)
        stream.write(bytes(int(header["vox_offset"]) - stream.tell()))
        volume = np.zeros(shape[:3], dtype=np.float32)
        for betas in runs:
            for trial in betas:
                volume[inside] = trial
                stream.write(volume.tobytes(order="F"))


def _image(values: np.ndarray, affine: np.ndarray) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["vox_offset"] = 352
    return image


def _table(trials: tuple[Trial, ...]) -> str:
    """As --trials takes it; columns that no trial fills are left out."""
    columns = [name for name in _COLUMNS if any(getattr(row, name) is not None for row in trials)]
    rows = [[getattr(row, name) for name in columns] for row in trials]
    lines = ["\t".join("n/a" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join(["\t".join(columns), *lines]) + "\n"
