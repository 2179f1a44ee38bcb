"""Least squares separate (LSS): one beta a trial, each from a model of its own.

The model of a trial has a column for it, one for all other trials together, and the nuisance
columns that all models share. Its beta is linear in the series, so that the models of a run are
one matrix of weights, made once and applied to every voxel: the same numbers as one fit a trial.

Sources: Mumford et al. 2012 (NeuroImage 59(3)); nilearn (0.14), example "Beta-Series Modeling",
which fits a `FirstLevelModel` a trial; differs: responses have a peak of 1, as in GLMsingle, and
onsets are not rounded.
"""

from collections.abc import Mapping, Sequence

import nilearn
import numpy as np
from jaxtyping import Float, Float32
from nilearn.glm.first_level import compute_regressor, make_first_level_design_matrix

from mindeye.data.scans.series.confounds import Confounds

HRF = "glover"
LIBRARY = f"nilearn {nilearn.__version__}"
_OVERSAMPLING = 50
_HRF_S = 32.0
_LEAST_PEAK = 0.1
_SINGULAR = 1e-6
_VOXELS_AT_ONCE = 4096


def trial_responses(
    times_s: Float[np.ndarray, "volumes"],
    onsets_s: Float[np.ndarray, "trials"],
    durations_s: Float[np.ndarray, "trials"],
) -> Float[np.ndarray, "volumes trials"]:
    """The canonical response to each trial; betas are therefore the change at its peak.

    An event of 0 s is an impulse.

    Raises:
        ValueError: a response that lies outside of the scan.
    """
    responses = _responses(times_s, onsets_s, durations_s)
    outside = np.flatnonzero(responses.max(0) < _LEAST_PEAK)
    if len(outside):
        raise ValueError(
            f"The response to the trial at {onsets_s[outside[0]]:g} s lies outside of the scan "
            f"(volumes from {times_s[0]:g} to {times_s[-1]:g} s). Leave its line out of the events."
        )
    return responses


def nuisance_columns(
    times_s: Float[np.ndarray, "volumes"],
    others: Mapping[str, Sequence[tuple[float, float]]],
    confounds: Confounds,
    high_pass_hz: float,
) -> Float[np.ndarray, "volumes nuisance"]:
    """Events without an image by their type, confounds, cosine drift and a constant.

    Put together here: nilearn's whole design changes its columns where they are dependent.
    """
    drift = make_first_level_design_matrix(times_s, drift_model="cosine", high_pass=high_pass_hz)
    columns = [drift.to_numpy(dtype=np.float64), confounds.values]
    for events in others.values():
        onsets, durations = np.array(events).T
        columns.append(_responses(times_s, onsets, durations).sum(1, keepdims=True))
    return np.hstack(columns)


def lss_weights(
    responses: Float[np.ndarray, "volumes trials"], nuisance: Float[np.ndarray, "volumes nuisance"]
) -> Float[np.ndarray, "volumes trials"]:
    """Column i times a series is the least-squares beta of trial i in its own model.

    Raises:
        ValueError: fewer volumes than a model needs, or a trial that its model cannot tell from
            the rest.
    """
    basis = _basis(nuisance)
    num_columns = basis.shape[1] + min(2, responses.shape[1])
    if len(responses) <= num_columns:
        raise ValueError(
            f"{len(responses)} volumes do not determine a model of {num_columns} columns. Take "
            "fewer confounds, or is the series cut off?"
        )
    trial = responses - basis @ (basis.T @ responses)
    # Of a single trial there are no others, and nothing of them is to be taken away.
    other = trial.sum(1, keepdims=True) - trial
    trial_trial, other_other, trial_other = (
        (first * second).sum(0)
        for first, second in ((trial, trial), (other, other), (trial, other))
    )
    alone = other_other <= _SINGULAR * trial_trial
    along = np.where(alone, 0, trial_other / np.where(alone, 1, other_other))
    own = trial - other * along
    size = (own**2).sum(0)
    unclear = np.flatnonzero(size <= _SINGULAR * (responses**2).sum(0))
    if len(unclear):
        raise ValueError(
            f"{len(unclear)} of {responses.shape[1]} trials cannot be told from the other trials, "
            f"the confounds and the drift, first trial {unclear[0]} by onset, counted from 0. "
            "Take fewer confounds, or a lower --high-pass."
        )
    return own / size


def percent_betas(
    series: Float32[np.ndarray, "volumes voxels"], weights: Float[np.ndarray, "volumes trials"]
) -> Float32[np.ndarray, "trials voxels"]:
    """Betas in percent of each voxel's mean; NaN where a voxel is constant, or has no mean above 0.

    Blocks of voxels bound the memory.
    """
    betas = np.empty((weights.shape[1], series.shape[1]), dtype=np.float32)
    for start in range(0, series.shape[1], _VOXELS_AT_ONCE):
        block = series[:, start : start + _VOXELS_AT_ONCE].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = block.mean(0)
            usable = np.isfinite(block).all(0) & (mean > 0) & (np.ptp(block, axis=0) > 0)
            found = 100 * (weights.T @ (block - mean)) / mean
        betas[:, start : start + _VOXELS_AT_ONCE] = np.where(usable, found, np.nan)
    return betas


def _responses(
    times_s: Float[np.ndarray, "volumes"],
    onsets_s: Float[np.ndarray, "events"],
    durations_s: Float[np.ndarray, "events"],
) -> Float[np.ndarray, "volumes events"]:
    """Each event's response with a peak of 1, at the volumes.

    Shifted from one response a duration: nilearn rounds each onset and each end to a fiftieth of
    a volume, which would make a tenth of a second a quarter longer here than there.
    """
    step = (times_s[1] - times_s[0]) / _OVERSAMPLING
    shape_of = {duration: _shape(duration, step) for duration in set(durations_s.tolist())}
    columns = [
        np.interp(times_s - onset, *shape_of[duration], left=0, right=0)
        for onset, duration in zip(onsets_s.tolist(), durations_s.tolist())
    ]
    return np.stack(columns, axis=1)


def _shape(
    duration_s: float, step_s: float
) -> tuple[Float[np.ndarray, "times"], Float[np.ndarray, "times"]]:
    """Times after the onset, and the response with a peak of 1."""
    fine = np.arange(0, duration_s + _HRF_S + _OVERSAMPLING * step_s, step_s)
    # A little early, so that rounding cannot put it a step late.
    event = ([-1e-3 * step_s], [duration_s], [1.0])
    response = compute_regressor(event, HRF, fine, oversampling=1)[0][:, 0]
    return fine, response / response.max()


def _basis(columns: Float[np.ndarray, "volumes columns"]) -> Float[np.ndarray, "volumes rank"]:
    """Orthonormal; columns that others already make up count once, whatever their units."""
    length = np.linalg.norm(columns, axis=0)
    left, sizes, _ = np.linalg.svd(columns[:, length > 0] / length[length > 0], full_matrices=False)
    return left[:, sizes > _SINGULAR * sizes[0]]
