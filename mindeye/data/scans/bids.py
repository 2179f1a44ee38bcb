"""Preprocessed time series in BIDS, such as fMRIPrep's: they hold no betas, and that is said."""

from pathlib import Path

_SERIES = ("_bold.nii", "_bold.nii.gz", "_bold.dtseries.nii", "_bold.func.gii")


def refuse_time_series(path: Path) -> None:
    """Refuses a BIDS folder, or a file of it that holds time series.

    Raises:
        ValueError: it is one; says how to get betas.
    """
    if path.is_dir():
        series = [file for file in sorted(path.rglob("*_bold.*")) if file.name.endswith(_SERIES)]
        if not series:
            return
        what = f"is a BIDS folder of {len(series)} time series (first {series[0].name})"
    elif path.name.endswith(_SERIES):
        what = "is a time series in BIDS"
    else:
        return
    raise ValueError(
        f"{path} {what} and holds no betas. Estimate one beta for every trial with GLMsingle or "
        "nilearn's LSS, in percent signal change, and give the file of betas."
    )
