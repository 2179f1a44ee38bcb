"""Writes a made-up subject in LAION-fMRI's on-disk layout at toy size, labelled as made up.

The brain, the pictures and the noise are those of the simulated NSD subjects. Counts are small
(`NUM_OWN` own images instead of 4,712) and the schedule is random, with at most three showings of
an image in a session; so in few sessions images have fewer repeats than their names say. Betas are
NaN outside of the brain, and pictures called OOD have a transparent margin.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from mindeye import laion_layout as layout
from mindeye import nsd_layout as nsd
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, write_json
from mindeye.simulate.anatomy import Anatomy, make_anatomy
from mindeye.simulate.identity import already_there, identity_of
from mindeye.simulate.meaning import category_axes, meaning_of
from mindeye.simulate.presets import Progress, SimulationConfig, SimulationRequest
from mindeye.simulate.receptive_fields import make_receptive_fields, mixed_look
from mindeye.simulate.scenes import draw_scene, scene_of
from mindeye.simulate.sessions import percent_signal_change
from mindeye.simulate.subject import SimulatedSubject, make_subject
from mindeye.simulate.volumes import write_nifti

NUM_OWN, NUM_OFTEN, NUM_REGULAR, NUM_ODD = 300, 24, 8, 8
"""Images of one subject (4 showings), shared ones with 12, and with 4: regular and OOD."""
SHOWINGS_PER_SESSION = 3
"""Of one image, at most."""
PICTURES_AT_ONCE = 64
_LABELS = {"RSC": "MPA"}


class Design(NamedTuple):
    """Which image each trial shows."""

    names: tuple[str, ...]
    scene_ids: tuple[int, ...]
    rows: list[Int[np.ndarray, "_"]]
    """For each session, the position in `names` of every trial."""


def simulate_laion_tree(
    root: Path,
    config: SimulationConfig,
    *,
    subject: int = 1,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Writes the whole tree, or nothing; a tree of the same config, subject and seed is kept.

    Raises:
        LookupError: no such participant.
        ValueError: `root` holds something else, or more sessions than there are.
        OSError: the disk is too full.
    """
    layout.subject_name(subject)
    if config.sessions > layout.NUM_SESSIONS:
        raise ValueError(
            f"{config.sessions} sessions asked for. LAION-fMRI has 1 to {layout.NUM_SESSIONS}."
        )
    request = SimulationRequest(config=config, subject=subject, seed=seed)
    identity = identity_of(request, layout.DATASET)
    if already_there(root, identity):
        return
    showings = (NUM_OWN + NUM_REGULAR + NUM_ODD) * 4 + NUM_OFTEN * 12
    require_free_space(root, showings * int(np.prod(config.grid)) * 4, "A simulated tree")
    report = progress or (lambda stage, done, total: None)
    with atomic_folder(root) as folder:
        design = make_design(request)
        anatomy = make_anatomy(config.grid, config.num_voxels, request.stream("anatomy"))
        _write_regions(folder, anatomy, subject)
        simulated = _show_pictures(folder, design, anatomy, request, report)
        _write_noise_ceiling(folder, simulated, subject)
        _write_sessions(folder, design, simulated, request, report)
        _write_splits(folder, design.names, request)
        write_json(folder / layout.SIMULATED_FILE, identity)


def make_design(request: SimulationRequest) -> Design:
    """Shared images have the same names and pictures for every subject."""
    subject, sessions = request.subject, request.config.sessions
    ending = layout.PARTICIPANTS[subject]
    showings = {f"shared_12rep_SIM_{number}_i0.png": 12 for number in range(NUM_OFTEN)}
    showings |= {f"shared_4rep_SIM_{number}_i0.png": 4 for number in range(NUM_REGULAR)}
    showings |= {f"shared_4rep_OOD_cropped_SIM_{number}.png": 4 for number in range(NUM_ODD)}
    num_shared = len(showings)
    showings |= {f"unique_SIM_{number}_{ending}.png": 4 for number in range(NUM_OWN)}
    scene_ids = [*range(num_shared), *(1000 * subject + number for number in range(NUM_OWN))]
    generator = request.stream("schedule")
    trials: list[list[int]] = [[] for _ in range(sessions)]
    for row, count in enumerate(showings.values()):
        slots = np.repeat(np.arange(sessions), SHOWINGS_PER_SESSION)
        for session in generator.permutation(slots)[:count]:
            trials[session].append(row)
    rows = [generator.permutation(np.array(one, dtype=np.int64)) for one in trials]
    return Design(tuple(showings), tuple(scene_ids), rows)


def region_masks(anatomy: Anatomy) -> dict[tuple[str, str], Bool[np.ndarray, "voxels"]]:
    """(set, label) -> voxels, under LAION-fMRI's names."""
    visual, streams = anatomy.is_visual, anatomy.labels["streams"]
    masks = {("laion", "laiongeneral"): visual}
    parts = {"EVC": ("early",), "ventral": ("midventral", "ventral")}
    parts |= {"lateral": ("midlateral", "lateral"), "dorsal": ("midparietal", "parietal")}
    for part, names in parts.items():
        labels = [one for one, name in nsd.ROI_LABELS["streams"].items() if name in names]
        masks["laion", f"laion{part}"] = visual & np.isin(streams, labels)
    sets = {"prf-visualrois": "retinotopy", "floc-faces": "face", "floc-places": "place"}
    for atlas, roi_set in sets.items():
        for label, name in nsd.ROI_LABELS[atlas].items():
            masks[roi_set, _LABELS.get(name, name.replace("-", ""))] = (
                anatomy.labels[atlas] == label
            )
    return {name: mask for name, mask in masks.items() if mask.any()}


def affine_of(grid: tuple[int, int, int], subject: int) -> Float[np.ndarray, "4 4"]:
    """Centred but for the subject's own shift, which tells one subject's grid from another's."""
    affine = np.diag([layout.VOXEL_SIZE_MM] * 3 + [1.0])
    affine[:3, 3] = -layout.VOXEL_SIZE_MM * (np.array(grid) - 1) / 2 + subject
    return affine


def _write(folder: Path, path: Path, volume: np.ndarray, subject: int) -> None:
    write_nifti(folder / path, volume, affine_of(volume.shape[:3], subject))


def _write_regions(folder: Path, anatomy: Anatomy, subject: int) -> None:
    for (roi_set, label), mask in region_masks(anatomy).items():
        path = layout.roi_folder(subject) / roi_set / layout.roi_name(subject, label)
        _write(folder, path, anatomy.volume(mask.astype(np.uint8)), subject)


def _show_pictures(
    folder: Path,
    design: Design,
    anatomy: Anatomy,
    request: SimulationRequest,
    progress: Progress,
) -> SimulatedSubject:
    """Writes every picture once, and makes the subject that responds to what was shown."""
    scenes = [scene_of(request.seed, scene_id) for scene_id in design.scene_ids]
    fields = make_receptive_fields(anatomy, request.stream("neural tuning"))
    place = folder / layout.stimuli_folder() / "images"
    place.mkdir(parents=True)
    energy, colour = [], []
    for start in range(0, len(scenes), PICTURES_AT_ONCE):
        shown = []
        for name, scene in zip(design.names[start:], scenes[start : start + PICTURES_AT_ONCE]):
            picture = draw_scene(scene, request.config.image_side)
            shown.append(_write_picture(place / name, picture))
        responses = fields.respond(np.stack(shown))
        energy.append(responses[0])
        colour.append(responses[1])
        progress("pictures", min(start + PICTURES_AT_ONCE, len(scenes)), len(scenes))
    look = mixed_look(np.concatenate(energy), np.concatenate(colour))
    return make_subject(anatomy, look, meaning_of(scenes), category_axes(scenes), request)


def _write_picture(
    path: Path, picture: UInt8[np.ndarray, "side side 3"]
) -> UInt8[np.ndarray, "side side 3"]:
    """The picture as it was shown: OOD ones are stored with a transparent margin, shown on gray."""
    if "_OOD_" not in path.name:
        Image.fromarray(picture).save(path)
        return picture
    margin = len(picture) // 8
    inside = np.zeros((*picture.shape[:2], 1), dtype=bool)
    inside[margin:-margin, margin:-margin] = True
    alpha = np.where(inside, 255, 0).astype(np.uint8)
    Image.fromarray(np.concatenate([picture, alpha], axis=-1)).save(path)
    return np.where(inside, picture, round(layout.BACKGROUND_GRAY)).astype(np.uint8)


def _write_noise_ceiling(folder: Path, simulated: SimulatedSubject, subject: int) -> None:
    """The planted one, in percent for four repeats."""
    squared = simulated.ncsnr**2
    ceiling = 100 * squared / (squared + 1 / layout.NOISE_CEILING_REPEATS)
    volume = simulated.anatomy.volume(ceiling.astype(np.float32))
    _write(folder, layout.noise_ceiling_path(subject), volume, subject)


def _write_sessions(
    folder: Path,
    design: Design,
    simulated: SimulatedSubject,
    request: SimulationRequest,
    progress: Progress,
) -> None:
    anatomy, subject = simulated.anatomy, request.subject
    lost = np.flatnonzero(~anatomy.is_visual)[: request.config.invalid_voxels]
    percents = percent_signal_change(simulated, design.rows, "b3", request)
    for session, (rows, betas) in enumerate(zip(design.rows, percents, strict=True), start=1):
        volumes = np.full((*anatomy.brain.shape, len(rows)), np.nan, dtype=np.float32)
        volumes[anatomy.brain] = betas.T
        volumes[tuple(np.argwhere(anatomy.brain)[lost].T)] = np.nan
        _write(folder, layout.betas_path(subject, session), volumes, subject)
        run_of = np.arange(len(rows)) * layout.RUNS_PER_SESSION // len(rows) + 1
        lines = [
            f"ses-{session:02d}\t{run}\t{index}\t{design.names[row]}"
            for index, (run, row) in enumerate(zip(run_of, rows))
        ]
        path = folder / layout.trials_path(subject, session)
        path.write_text("\n".join(["\t".join(layout.TRIAL_COLUMNS), *lines, ""]))
        progress("sessions", session, len(design.rows))


def _write_splits(folder: Path, names: tuple[str, ...], request: SimulationRequest) -> None:
    """`ood` as published, and `random_0`: a fifth of all other images is the test."""
    odd = [name for name in names if "_OOD_" in name]
    regular = [name for name in names if "_OOD_" not in name]
    order = request.stream("split").permutation(len(regular))
    fifth = {regular[position] for position in order[: len(regular) // 5]}
    parts: Mapping[str, tuple[list[str], list[str]]] = {
        "ood": (regular, odd),
        "random_0": ([name for name in regular if name not in fifth], sorted(fifth)),
    }
    pool = layout.subject_name(request.subject)
    for name, (train, test) in parts.items():
        path = folder / "splits" / layout.split_path(pool, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        variant = {"variant_id": 0, "train_ids": train, "test_ids": test}
        counts = {"n_train": len(train), "n_test": len(test)}
        write_json(path, {"name": name, "pool": pool, **counts, "variants": [variant]})
