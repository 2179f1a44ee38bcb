"""Writes a made-up subject as THINGS-fMRI's tables, at toy size."""

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas
from jaxtyping import Float

from mindeye import things_layout as layout
from mindeye.files import write_json
from mindeye.nsd_layout import SIMULATED_FILE, functional_affine
from mindeye.simulate.presets import Progress, SimulationConfig, SimulationRequest
from mindeye.simulate.toy_experiment import (
    ToyExperiment,
    ToyPlan,
    make_toy_experiment,
    marker_of,
    new_folder,
    write_pictures,
)

TRAIN_IMAGES_PER_SESSION, TEST_IMAGES, RUNS = 10, 10, 2
LAYOUT = "things-fmri"
BRAIN_MASKS, TABLES = "brainmasks", "betas_csv"
_REGIONS = {"V1": "V1", "V2": "V2", "V3": "V3", "hV4": "hV4", "ventral": "IT", "lateral": "lLOC"}
"""Area of the made-up cortex -> region of THINGS-fMRI."""


def simulate_things(
    out: Path,
    config: SimulationConfig,
    *,
    subject: int = 1,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Writes betas_csv, the brain mask and the pictures; whole or not at all.

    Raises:
        LookupError: no such subject.
        ValueError: something is there.
    """
    if not 1 <= subject <= layout.NUM_SUBJECTS:
        raise LookupError(
            f"THINGS-fMRI has subjects 1 to {layout.NUM_SUBJECTS}, not {subject}. Pick one of them."
        )
    request = SimulationRequest(config=config, subject=subject, seed=seed)
    marker = marker_of(LAYOUT, request)
    with new_folder(out) as folder:
        experiment = make_toy_experiment(things_plan(request), request, progress)
        write_json(folder / SIMULATED_FILE, marker)
        write_pictures(folder, experiment)
        tables = folder / TABLES
        tables.mkdir()
        write_json(tables / SIMULATED_FILE, marker)
        _trials(experiment, subject).to_csv(tables / layout.trials_path(subject), index=False)
        _voxels(experiment, subject).to_csv(tables / layout.voxels_path(subject), index=False)
        _write_betas(tables / layout.responses_path(subject), experiment.betas.T)
        brain = experiment.subject.anatomy.brain
        (folder / BRAIN_MASKS).mkdir()
        image = nibabel.Nifti1Image(brain.astype(np.uint8), functional_affine(brain.shape))
        nibabel.save(image, folder / BRAIN_MASKS / layout.brainmask_path(subject))


def things_plan(request: SimulationRequest) -> ToyPlan:
    """Training pictures once, all test pictures in each of twelve sessions."""
    num_train = TRAIN_IMAGES_PER_SESSION * layout.NUM_SESSIONS
    names = [f"scene{image:03d}_{image % 15 + 1:02d}s.png" for image in range(num_train)]
    names += [f"test{image:03d}_01n.png" for image in range(TEST_IMAGES)]
    test = np.arange(num_train, num_train + TEST_IMAGES)
    order = request.stream("order")
    train = order.permutation(num_train).reshape(layout.NUM_SESSIONS, -1)
    shown = [order.permutation(np.concatenate([own, test])) for own in train]
    sessions = np.repeat(np.arange(1, layout.NUM_SESSIONS + 1), len(shown[0]))
    return ToyPlan(names, np.arange(len(names)) >= num_train, np.concatenate(shown), sessions)


def _trials(experiment: ToyExperiment, subject: int) -> pandas.DataFrame:
    plan = experiment.plan
    names = [plan.names[image] for image in plan.shown.tolist()]
    per_session = len(names) // layout.NUM_SESSIONS
    return pandas.DataFrame(
        {
            "trial_type": np.where(plan.is_test[plan.shown], "test", "train"),
            "session": plan.sessions,
            "run": 1 + np.arange(len(names)) % per_session * RUNS // per_session,
            "subject_id": subject,
            "trial_id": np.arange(len(names)),
            "stimulus": names,
            "concept": [name.split("_")[0] for name in names],
        }
    )


def _voxels(experiment: ToyExperiment, subject: int) -> pandas.DataFrame:
    anatomy, squared = experiment.subject.anatomy, experiment.subject.ncsnr**2
    coordinates = np.argwhere(anatomy.brain).T
    regions = {
        region: (anatomy.is_area(area) & anatomy.is_visual).astype(np.int64)
        for area, region in _REGIONS.items()
    }
    return pandas.DataFrame(
        {
            layout.VOXEL_ID: np.arange(coordinates.shape[1]),
            "subject_id": subject,
            **dict(zip(layout.COORDINATES, coordinates, strict=True)),
            layout.NOISE_CEILING: 100 * squared / (squared + 1),
            "nc_testset": 100 * squared / (squared + 1 / layout.NUM_SESSIONS),
            **regions,
        }
    )


def _write_betas(path: Path, betas: Float[np.ndarray, "voxels trials"]) -> None:
    """The blocks of a pandas frame, without the labels that PyTables would pickle."""
    with h5py.File(path, "w") as file:
        file.attrs["simulated"] = "Made up by `mindeye simulate`"
        group = file.create_group("ResponseData")
        group.attrs["pandas_type"], group.attrs["nblocks"] = np.bytes_("frame"), 2
        group["axis1"] = np.arange(len(betas))
        group["block0_values"] = betas.astype(np.float64)
        group["block1_items"] = np.array([layout.VOXEL_ID.encode()])
        group["block1_values"] = np.arange(len(betas))[:, None]
