"""Writes a made-up subject in NSD's own on-disk layout, labelled as made up."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindeye import nsd_layout as nsd
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, write_json
from mindeye.simulate.anatomy import AREAS, Anatomy, make_anatomy
from mindeye.simulate.design import Design, make_design
from mindeye.simulate.experiments import require_experiments, write_experiments
from mindeye.simulate.identity import already_there, identity_of
from mindeye.simulate.matlab import write_matlab
from mindeye.simulate.pictures import show_pictures
from mindeye.simulate.presets import Progress, SimulationConfig, SimulationRequest
from mindeye.simulate.random_streams import stream_of
from mindeye.simulate.sessions import write_sessions
from mindeye.simulate.subject import SimulatedSubject
from mindeye.simulate.tables import responses, stim_info
from mindeye.simulate.volumes import write_nifti


def simulate_nsd_tree(
    root: Path,
    config: SimulationConfig,
    *,
    subject: int = 1,
    seed: int,
    experiments: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Writes the whole tree, or nothing; a tree of the same config, subject and seed is kept.

    Args:
        experiments: `nsdsynthetic`, `nsdimagery` or both, beside the main one, which they do not
            change.

    Raises:
        LookupError: unknown subject or experiment.
        ValueError: `root` holds something else.
        OSError: the disk is too full.
    """
    nsd.subject_name(subject)
    request = SimulationRequest(config=config, subject=subject, seed=seed)
    require_experiments(experiments)
    identity = identity_of(request)
    if experiments:
        identity["experiments"] = sorted(set(experiments))
    if already_there(root, identity):
        return
    require_free_space(root, _num_bytes(config, experiments), f"A simulated tree `{config.name}`")
    report = progress or _silent
    with atomic_folder(root) as folder:
        design = make_design(config.placement, config.sessions, seed=seed)
        _write_design(folder, design, request)
        anatomy = make_anatomy(config.grid, config.num_voxels, request.stream("anatomy"))
        _write_anatomy(folder, anatomy, request)
        simulated = show_pictures(folder, design, anatomy, request, report)
        write_sessions(folder, design, simulated, request, report)
        write_experiments(folder, identity.get("experiments", ()), design, simulated, request)
        planted = {"planted_ncsnr": _ncsnr_by_area(simulated)}
        write_json(folder / nsd.SIMULATED_FILE, identity | planted)


def _num_bytes(config: SimulationConfig, experiments: Sequence[str]) -> int:
    sessions = (config.sessions + len(experiments)) * len(config.beta_versions)
    betas = sessions * int(np.prod(config.grid)) * nsd.TRIALS_PER_SESSION * 2 * 2
    images = (
        (config.sessions + len(experiments)) * nsd.TRIALS_PER_SESSION * config.image_side**2 * 3
    )
    return betas + images + 30_000_000


def _silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def _write_design(folder: Path, design: Design, request: SimulationRequest) -> None:
    subject = request.subject
    arrays = {
        "masterordering": design.masterordering[None].astype(np.uint16),
        "subjectim": design.subjectim.astype(np.uint32),
        "sharedix": design.sharedix[None].astype(np.uint32),
        "stimpattern": design.stimpattern.astype(np.uint8),
        "basiccnt": design.basiccnt.astype(np.uint16),
    }
    write_matlab(folder / nsd.expdesign_path(), arrays)
    stim_info(design, stream_of(request.seed, "stim info")).to_csv(folder / nsd.stim_info_path())
    table = responses(design, subject, request.config.sessions, request.stream("behaviour"))
    path = folder / nsd.responses_path(subject)
    path.parent.mkdir(parents=True)
    table.to_csv(path, sep="\t", index=False, na_rep="NaN")


def _write_anatomy(folder: Path, anatomy: Anatomy, request: SimulationRequest) -> None:
    subject = request.subject
    write_nifti(folder / nsd.brainmask_path(subject), anatomy.brain.astype(np.int16))
    speckle = request.stream("mean volume").normal(0, 40, len(anatomy.areas))
    bright = np.where(anatomy.areas >= 0, 1100, 800) + speckle
    write_nifti(folder / nsd.mean_path(subject), anatomy.volume(bright.astype(np.float32)))
    for atlas, labels in anatomy.labels.items():
        values = labels.astype(np.float64)
        outside = nsd.ROI_NOT_CORTEX
        write_nifti(folder / nsd.roi_path(subject, atlas), anatomy.volume(values, outside))
        for side, hemisphere in enumerate(nsd.HEMISPHERES):
            own = np.where(anatomy.hemisphere == side, values, outside)
            path = folder / nsd.roi_path(subject, atlas, hemisphere)
            write_nifti(path, anatomy.volume(own, outside))
    angle = np.degrees(np.arctan2(anatomy.prf_y, anatomy.prf_x)) % 360
    eccentricity = np.hypot(anatomy.prf_x, anatomy.prf_y)
    maps = {"angle": angle, "eccentricity": eccentricity, "size": anatomy.prf_size}
    for quantity, values in maps.items():
        volume = anatomy.volume(values.astype(np.float32), np.nan)
        write_nifti(folder / nsd.prf_path(subject, quantity), volume)


def _ncsnr_by_area(simulated: SimulatedSubject) -> dict[str, float]:
    """Median planted ncsnr (of b3) within `nsdgeneral`."""
    anatomy = simulated.anatomy
    by_area = {}
    for name in AREAS:
        ncsnr = simulated.ncsnr[anatomy.is_area(name) & anatomy.is_visual]
        if len(ncsnr):
            by_area[name] = round(float(np.median(ncsnr)), 4)
    return by_area
