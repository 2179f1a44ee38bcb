"""Preprocessed time series in BIDS, such as fMRIPrep's: their betas have to be estimated."""

from collections.abc import Callable
from pathlib import Path

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.grid import MaskFile
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.series.request import SeriesRequest
from mindeye.data.scans.series.runs import find_runs
from mindeye.data.scans.table import TrialTable
from mindeye.data.scans.voxels import select_in_volume

_SERIES = ("_bold.nii", "_bold.nii.gz", "_bold.dtseries.nii", "_bold.func.gii")
_GLMSINGLE = (
    "GLMsingle (pip install git+https://github.com/cvnlab/GLMsingle.git; it is not on PyPI)"
)


def holds_series(folder: Path) -> bool:
    """Whether a folder holds time series in BIDS."""
    return any(path.name.endswith(_SERIES) for path in folder.rglob("*_bold.*"))


def refuse_time_series(path: Path) -> None:
    """Refuses a single file of time series, or a folder of them among several paths.

    Raises:
        ValueError: it is one; says how to get betas.
    """
    is_series = holds_series(path) if path.is_dir() else path.name.endswith(_SERIES)
    if is_series:
        raise ValueError(
            f"{path} {'is a BIDS folder of' if path.is_dir() else 'is a'} time series and holds no "
            "betas. Give fMRIPrep's folder alone, and one beta is estimated for every trial; or "
            f"estimate them with {_GLMSINGLE}, in percent signal change, and give their file."
        )


def require_nilearn(folder: Path) -> None:
    """
    Raises:
        ValueError: nilearn is not installed; says how to get it, and how betas without it.
    """
    try:
        import nilearn.glm  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"{folder} holds time series and no betas. To have betas estimated, pip install "
            f"'mindeye[glm]'; or estimate them with {_GLMSINGLE}, in percent signal change, and "
            "give their file."
        ) from error


def read_bids(
    folder: Path,
    bundle: VoxelBundle,
    mask: MaskFile | None,
    request: SeriesRequest,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Path, ...], Reading]:
    """The series of a folder, and the betas of the model's voxels.

    Raises:
        FileNotFoundError, LookupError, ValueError: as `open_series`, or nilearn is missing.
        RefusedScanError: the voxels cannot be the model's.
    """
    find_runs(folder, request)  # what nilearn has no part in is said first
    require_nilearn(folder)
    from mindeye.data.scans.series.estimate import estimate, open_series

    series = open_series(folder, request)
    selection = select_in_volume(series.grid, mask, bundle)
    betas = estimate(series, selection.positions, progress)
    runs = series.runs
    dtypes = sorted({str(run.image.get_data_dtype()) for run in runs})
    return tuple(run.files.series for run in runs), Reading(
        betas=betas,
        form=f"BIDS time series ({series.method})",
        checks=selection.checks,
        dtype=" and ".join(dtypes),
        header={
            "runs": len(runs),
            "repetition_time": " and ".join(
                sorted({f"{run.timing.repetition_time_s:g}" for run in runs})
            ),
            "first_volume_at": " and ".join(sorted({f"{run.timing.start_s:g} s" for run in runs})),
        },
        units="psc",
        trials=TrialTable(rows=series.trials, source=_events_of(runs)),
    )


def _events_of(runs) -> str:
    names = [run.files.events.name for run in runs]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
