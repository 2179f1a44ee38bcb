"""In which unit betas are, told by comparing them with the model's training statistics."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import CheckResult, failed, passed, skipped
from mindeye.data.zscore import Statistics
from mindeye.nsd_layout import PSC_SCALE

UNITS = ("psc", "nsd-int16", "z")
MIN_TRIALS_FOR_SPREAD = 10
"""Fewer do not tell a standard deviation well enough to know a unit by it."""
_NAME = "units"
# Between sessions, scanners and subjects standard deviations differ by far less.
_SAME = 3.0
_TOO_CLOSE = 0.02
_MAX_TRIALS = 250
_FAR = 5.0


def knows_statistics(bundle: VoxelBundle) -> bool:
    """Whether the model came with training statistics; converted checkpoints do not."""
    return len(bundle.std) > 0 and bool(np.isfinite(bundle.mean_map).all())


def training_statistics(bundle: VoxelBundle) -> Statistics:
    """Over all training sessions: the mean map, and the root of the mean variance within sessions.

    A scan of today belongs to none of the training sessions, so that no session's own fits it.
    """
    used = bundle.std > 0
    count = used.sum(0)
    variance = np.where(used, bundle.std.astype(np.float64) ** 2, 0).sum(0) / np.maximum(count, 1)
    return Statistics(bundle.mean_map, np.sqrt(variance).astype(np.float32))


class _Compared(NamedTuple):
    """Medians over voxels."""

    mean: float
    std: float
    ratio: float
    """Standard deviation, or with few trials the size of betas, over the training's."""
    positive: float
    """Share of betas above 0."""
    misfit: Mapping[str, float]
    """Of `psc` and `z`: negative log-likelihood of a beta."""


def in_percent(
    betas: Float32[np.ndarray, "trials voxels"], units: str
) -> Float32[np.ndarray, "trials voxels"]:
    """Stored integers of NSD in percent signal change; other units as they are."""
    return betas / np.float32(PSC_SCALE) if units == "nsd-int16" else betas


def check_units(
    betas: Float32[np.ndarray, "trials voxels"], units: str | None, bundle: VoxelBundle
) -> CheckResult:
    """Whether betas as stored are in `units`; None asks whether they are in percent signal change.

    A unit is never guessed from the numbers alone: what does not look like percent signal change
    must be named, and what is named must look like it.
    """
    if not knows_statistics(bundle):
        if units is None:
            return failed(
                _NAME,
                "The model came without training statistics, so that a unit cannot be found out.",
                f"Pass --units: one of {', '.join(UNITS)}.",
            )
        return skipped(_NAME, f"Taken as {units}: the model has no training statistics.")
    compared = _compare(in_percent(betas, units or "psc"), bundle)
    seen = f"Mean {compared.mean:.3g}, standard deviation {compared.std:.3g} "
    seen += f"({compared.ratio:.3g} times the training's)"
    looks = _looks_like(compared)
    if units is not None and len(betas) == 1 and looks in ("psc", "z"):
        return passed(_NAME, f"{seen}: taken as {units}, one trial tells no more.")
    if units == "z" and looks == "z":
        return passed(_NAME, f"{seen}: z.")
    if units != "z" and looks == "psc":
        stored = f" after division by {PSC_SCALE}" if units == "nsd-int16" else ""
        return passed(_NAME, f"{seen}: {bundle.units}{stored}.")
    if units is None and looks == "either":
        return failed(
            _NAME,
            f"{seen}: the training's betas have mean 0 and standard deviation 1 themselves.",
            "Pass --units psc or --units z.",
        )
    if looks == "either":
        return passed(_NAME, f"{seen}: as {units or 'psc'} should be.")
    return failed(_NAME, f"{seen}: {_GUESS[looks][0]}.", _GUESS[looks][1])


_GUESS = {
    "psc": ("this looks like percent signal change", "Pass --units psc."),
    "z": ("this looks z-scored already", "Pass --units z, or give the betas before z-scoring."),
    "nsd-int16": (
        f"this looks like stored int16 ({PSC_SCALE} x percent signal change)",
        "Pass --units nsd-int16.",
    ),
    "divided": (
        f"this looks divided by {PSC_SCALE} once too often",
        "Are the betas percent signal change already? Pass --units psc.",
    ),
    "raw": (
        "this looks like raw BOLD, a signal and no betas",
        "Estimate betas first (GLMsingle or nilearn's LSS), in percent signal change.",
    ),
    "unknown": (
        "this is no percent signal change as the model knows it",
        "In which unit are the betas? Only psc, nsd-int16 and z can be taken.",
    ),
}


def _looks_like(compared: _Compared) -> str:
    """A unit, `raw`, `divided`, `either` or `unknown`."""
    if compared.positive > 0.99 and compared.mean > 50:
        return "raw"
    if PSC_SCALE / _SAME < compared.ratio < PSC_SCALE * _SAME:
        return "nsd-int16"
    if 1 / (PSC_SCALE * _SAME) < compared.ratio < _SAME / PSC_SCALE:
        return "divided"
    psc, z = compared.misfit["psc"], compared.misfit["z"]
    if abs(psc - z) < _TOO_CLOSE:
        return "either"
    if z < psc and 0.5 < compared.std < 2:
        return "z"
    return "psc" if 1 / _SAME < compared.ratio < _SAME else "unknown"


def _compare(betas: Float32[np.ndarray, "trials voxels"], bundle: VoxelBundle) -> _Compared:
    trained = training_statistics(bundle)
    used = trained.usable & np.isfinite(betas).all(0)
    if not used.any():
        return _Compared(np.nan, np.nan, np.nan, np.nan, {"psc": np.nan, "z": np.nan})
    # A few hundred trials tell as much as all; they are spread over the scan.
    step = max(1, len(betas) // _MAX_TRIALS)
    chosen = betas[::step][:, used].astype(np.float64)
    mean, std = trained.mean[used].astype(np.float64), trained.std[used].astype(np.float64)
    size = np.sqrt((chosen**2).mean(0))
    if len(chosen) >= MIN_TRIALS_FOR_SPREAD:
        size = chosen.std(0, ddof=1)
        ratio = np.median(size / std)
    else:
        ratio = np.median(size) / np.median(np.hypot(std, mean))
    return _Compared(
        mean=float(np.median(chosen.mean(0))),
        std=float(np.median(size)),
        ratio=float(ratio),
        positive=float((chosen > 0).mean()),
        misfit={"psc": _misfit(chosen, mean, std), "z": _misfit(chosen, 0.0, 1.0)},
    )


def _misfit(
    betas: Float[np.ndarray, "trials used"],
    mean: Float[np.ndarray, "used"] | float,
    std: Float[np.ndarray, "used"] | float,
) -> float:
    """Mean negative log-likelihood under a normal distribution, but for a constant.

    Deviations count up to `_FAR`, so that no handful of wild voxels decides.
    """
    squares = np.minimum(((betas - mean) / std) ** 2, _FAR**2)
    return float(np.mean(np.log(std)) + squares.mean() / 2)
