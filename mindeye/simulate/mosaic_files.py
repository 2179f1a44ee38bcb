"""Writes a made-up subject as one of MOSAIC's files: NSD's part of it, at toy size."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas
from jaxtyping import Float32, Int

from mindeye import mosaic_layout as layout
from mindeye.files import write_json
from mindeye.nsd_layout import SIMULATED_FILE
from mindeye.simulate.presets import Progress, SimulationConfig, SimulationRequest
from mindeye.simulate.toy_experiment import (
    ToyExperiment,
    ToyPlan,
    make_toy_experiment,
    marker_of,
    new_folder,
    repeats_of,
    write_pictures,
)

LAYOUT, SHORT = "mosaic", "NSD"
TRAIN_IMAGES, TEST_IMAGES = 80, 20
TRAIN_REPEATS, TEST_REPEATS = 2, 3
SESSIONS = 4
MISSING = (7, 59_000, 91_000)
"""Grayordinates without values; all others that the made-up brain does not fill are 0."""


def simulate_mosaic(
    out: Path,
    config: SimulationConfig,
    *,
    subject: int = 1,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Writes `sub-XX_NSD.hdf5`, nsd_stiminfo.tsv and the pictures; whole or not at all.

    Visual voxels fill the grayordinates from 100 on, in steps of 100.

    Raises:
        LookupError: no such subject.
        ValueError: something is there.
    """
    most = layout.SETS[SHORT].num_subjects
    if not 1 <= subject <= most:
        raise LookupError(f"NSD has subjects 1 to {most}, not {subject}. Pick one of them.")
    request = SimulationRequest(config=config, subject=subject, seed=seed)
    marker = marker_of(LAYOUT, request)
    with new_folder(out) as folder:
        experiment = make_toy_experiment(mosaic_plan(request), request, progress)
        write_json(folder / SIMULATED_FILE, marker)
        write_pictures(folder, experiment)
        _table(experiment, subject).to_csv(folder / layout.SETS[SHORT].table, sep="\t", index=False)
        path = folder / f"sub-{subject:02d}_{SHORT}.hdf5"
        _write_file(path, experiment, subject, marker)


def filled_grayordinates(experiment: ToyExperiment) -> Int[np.ndarray, "voxels"]:
    """Where the visual voxels stand."""
    return 100 * np.arange(1, int(experiment.subject.anatomy.is_visual.sum()) + 1)


def mosaic_plan(request: SimulationRequest) -> ToyPlan:
    """Training pictures twice, test pictures three times, in four sessions."""
    count = TRAIN_IMAGES + TEST_IMAGES
    is_test = np.arange(count) >= TRAIN_IMAGES
    shown = np.repeat(np.arange(count), np.where(is_test, TEST_REPEATS, TRAIN_REPEATS))
    shown = request.stream("order").permutation(shown)
    sessions = 1 + np.arange(len(shown)) * SESSIONS // len(shown)
    names = [f"{580_000 + image:012d}.png" for image in range(count)]
    return ToyPlan(names, is_test, shown, sessions)


def _table(experiment: ToyExperiment, subject: int) -> pandas.DataFrame:
    plan = experiment.plan
    counts = np.bincount(plan.shown, minlength=len(plan.names))
    table = {
        "filename": plan.names,
        "alias": np.arange(len(plan.names)),
        "source": "simulated",
        "test_train": np.where(plan.is_test, "test", "train"),
    }
    others = range(1, layout.SETS[SHORT].num_subjects + 1)
    reps = {f"sub-{one:02d}_reps": counts if one == subject else 0 * counts for one in others}
    return pandas.DataFrame({**table, **reps})


def _normalised(experiment: ToyExperiment) -> Float32[np.ndarray, "trials voxels"]:
    """By the training trials of each session, as MOSAIC does."""
    plan, betas = experiment.plan, experiment.betas[:, experiment.subject.anatomy.is_visual].copy()
    for session in np.unique(plan.sessions):
        here = plan.sessions == session
        train = betas[here & ~plan.is_test[plan.shown]]
        betas[here] = (betas[here] - train.mean(0)) / train.std(0, ddof=1)
    return betas


def _write_file(path: Path, experiment: ToyExperiment, subject: int, marker: dict) -> None:
    plan, betas = experiment.plan, _normalised(experiment)
    columns, repeats = filled_grayordinates(experiment), repeats_of(plan.shown)
    with h5py.File(path, "w") as file:
        file.attrs["subjectID"] = f"sub-{subject:02d}"
        file.attrs["dataset_name"] = layout.SETS[SHORT].title
        file.attrs["visual_angle"] = 8.4
        file.attrs["beta_pipeline"] = "mindeye simulate"
        file.attrs["simulated"] = json.dumps(marker)
        group = file.create_group("noiseceilings", track_order=True)
        ncsnr = experiment.subject.ncsnr[experiment.subject.anatomy.is_visual]
        for phase in ("train", "test"):
            values = _spread(100 * ncsnr**2 / (ncsnr**2 + 1), columns)
            name = layout.noise_ceiling_name(subject, SHORT, phase)
            stored = group.create_dataset(name, data=values)
            stored.attrs["n"], stored.attrs["phase"] = "1", phase
        group = file.create_group("betas", track_order=True)
        for trial in np.lexsort((repeats, plan.shown, ~plan.is_test[plan.shown])).tolist():
            image, repeat = int(plan.shown[trial]), int(repeats[trial])
            phase = "test" if plan.is_test[image] else "train"
            stem = Path(plan.names[image]).stem
            said = layout.TrialName(subject, SHORT, stem, phase, repeat)
            values = _spread(betas[trial], columns)
            stored = group.create_dataset(
                layout.trial_name(said), data=values, compression="gzip", compression_opts=1
            )
            stored.attrs["nan_indices"] = np.array(MISSING)
            stored.attrs["phase"], stored.attrs["repetition"] = phase, repeat
            stored.attrs["presented_stimulus_filename"] = plan.names[image]


def _spread(values: np.ndarray, columns: Int[np.ndarray, "voxels"]) -> np.ndarray:
    spread = np.zeros(layout.NUM_GRAYORDINATES)
    spread[columns] = values
    spread[list(MISSING)] = np.nan
    return spread
