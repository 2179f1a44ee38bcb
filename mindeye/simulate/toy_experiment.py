"""A made-up subject's few trials in memory, for the layouts of other data sets than NSD."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image

from mindeye.files import atomic_folder, holds_something
from mindeye.simulate.anatomy import make_anatomy
from mindeye.simulate.identity import identity_of
from mindeye.simulate.meaning import category_axes, meaning_of
from mindeye.simulate.presets import Progress, SimulationRequest
from mindeye.simulate.receptive_fields import make_receptive_fields, mixed_look
from mindeye.simulate.scenes import draw_scene, scene_of
from mindeye.simulate.subject import SimulatedSubject, make_subject, session_betas
from mindeye.simulate.trial_noise import voxel_noise

PICTURES = "stimuli"
"""Folder of the pictures in each layout."""


class ToyPlan(NamedTuple):
    """What is shown: pictures in number, and which one in each trial."""

    names: list[str]
    """File names of the pictures."""
    is_test: Bool[np.ndarray, "images"]
    shown: Int[np.ndarray, "trials"]
    sessions: Int[np.ndarray, "trials"]
    """From 1."""


class ToyExperiment(NamedTuple):
    """A plan with what came out of it."""

    plan: ToyPlan
    subject: SimulatedSubject
    pictures: UInt8[np.ndarray, "images side side 3"]
    betas: Float32[np.ndarray, "trials voxels"]
    """In units of a voxel's standard deviation, with a baseline of each session's own."""


def make_toy_experiment(
    plan: ToyPlan, request: SimulationRequest, progress: Progress | None = None
) -> ToyExperiment:
    """Draws the pictures and lets a made-up brain respond to them as in NSD's layout."""
    config = request.config
    scenes = [scene_of(request.seed, image_id) for image_id in range(len(plan.names))]
    pictures = np.stack([draw_scene(scene, config.image_side) for scene in scenes])
    anatomy = make_anatomy(config.grid, config.num_voxels, request.stream("anatomy"))
    fields = make_receptive_fields(anatomy, request.stream("neural tuning"))
    look = mixed_look(*fields.respond(pictures))
    subject = make_subject(anatomy, look, meaning_of(scenes), category_axes(scenes), request)
    betas = np.empty((len(plan.shown), len(subject.ncsnr)), dtype=np.float32)
    sessions = np.unique(plan.sessions).tolist()
    for done, session in enumerate(sessions, start=1):
        trials = np.flatnonzero(plan.sessions == session)
        noise = voxel_noise(
            anatomy.brain, len(trials), config, request.stream("voxel noise", session)
        )
        latent = request.stream("latent noise", session)
        moved = latent.standard_normal((len(trials), len(subject.jitter)), dtype=np.float32)
        baseline = request.stream("drift", session).normal(0, config.offset_sd, betas.shape[1])
        betas[trials] = session_betas(subject, plan.shown[trials], noise, moved) + baseline
        if progress:
            progress("sessions", done, len(sessions))
    return ToyExperiment(plan, subject, pictures, betas)


def repeats_of(shown: Int[np.ndarray, "trials"]) -> Int[np.ndarray, "trials"]:
    """How often each trial's picture had been shown before."""
    before: dict[int, int] = {}
    found = np.empty(len(shown), dtype=np.int64)
    for trial, image in enumerate(shown.tolist()):
        found[trial] = before[image] = before.get(image, -1) + 1
    return found


def write_pictures(folder: Path, experiment: ToyExperiment) -> None:
    """One file each, under its name."""
    (folder / PICTURES).mkdir()
    for name, picture in zip(experiment.plan.names, experiment.pictures, strict=True):
        Image.fromarray(picture).save(folder / PICTURES / name)


def marker_of(layout: str, request: SimulationRequest) -> dict:
    """What stands in every file and folder that is made up."""
    identity = identity_of(request, layout)
    return {name: identity[name] for name in identity if name != "parameters"}


def new_folder(out: Path):
    """A context that gives a folder which appears at `out` whole or not at all.

    Raises:
        ValueError: something is there.
    """
    if holds_something(out):
        raise ValueError(f"{out} is not empty. Choose a folder that does not exist yet.")
    return atomic_folder(out)
