"""Makes and writes a made-up subject's betas, a session at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Int16

from mindeye import nsd_layout as nsd
from mindeye.simulate.design import Design
from mindeye.simulate.noise_ceiling import estimate_ncsnr
from mindeye.simulate.presets import Progress, SimulationRequest
from mindeye.simulate.subject import SimulatedSubject, session_betas
from mindeye.simulate.trial_noise import session_changes, voxel_noise
from mindeye.simulate.volumes import write_betas, write_nifti

NCSNR_SCALES = {"b1": 0.75, "b2": 0.88, "b3": 1.0}
"""Beta versions with less denoising have a lower ncsnr."""


def write_sessions(
    folder: Path,
    design: Design,
    simulated: SimulatedSubject,
    request: SimulationRequest,
    progress: Progress,
) -> None:
    """Writes every session's betas, then what NSD computes from all of them."""
    brain = simulated.anatomy.brain
    subject, num_sessions = request.subject, request.config.sessions
    valid = _valid_voxels(simulated, request)
    for index, voxels in enumerate(valid):
        volume = simulated.anatomy.volume(voxels.astype(np.int16))
        write_nifti(folder / nsd.valid_session_path(subject, index + 1), volume)
    image_ids = design.image_ids(subject, num_sessions)
    rows = np.unique(image_ids, return_inverse=True)[1].reshape(num_sessions, -1)
    for number, version in enumerate(request.config.beta_versions):
        beta_folder = folder / nsd.beta_folder(subject, version)
        stored = []
        for index, betas in enumerate(_sessions(simulated, rows, version, request)):
            stored.append(betas * valid[index])
            write_betas(beta_folder, f"betas_session{index + 1:02d}", stored[-1], brain)
            done = number * num_sessions + index + 1
            progress("sessions", done, num_sessions * len(request.config.beta_versions))
        _write_summaries(folder, np.concatenate(stored), image_ids, version, simulated, subject)


def _sessions(
    simulated: SimulatedSubject,
    rows: Int[np.ndarray, "sessions trials"],
    version: str,
    request: SimulationRequest,
) -> Iterator[Int16[np.ndarray, "trials voxels"]]:
    """Each session's betas as NSD stores them; versions differ in ncsnr and voxel noise."""
    for percent in percent_signal_change(simulated, list(rows), version, request):
        yield as_stored(percent)


def percent_signal_change(
    simulated: SimulatedSubject,
    rows: Sequence[Int[np.ndarray, "_"]],
    version: str,
    request: SimulationRequest,
) -> Iterator[Float[np.ndarray, "trials voxels"]]:
    """Each session's betas; `rows` says which of the subject's images each trial of it showed."""
    anatomy = simulated.anatomy
    offsets, gains = session_changes(
        len(anatomy.areas), request.config, request.stream("drift", version)
    )
    for index, image_rows in enumerate(rows):
        latent = request.stream("latent noise", index)
        betas = session_betas(
            simulated,
            image_rows,
            voxel_noise(
                anatomy.brain,
                len(image_rows),
                request.config,
                request.stream("voxel noise", version, index),
            ),
            latent.standard_normal((len(image_rows), len(simulated.jitter)), dtype=np.float32),
            ncsnr_scale=NCSNR_SCALES[version],
        )
        yield simulated.psc_mean + simulated.psc_sd * (gains[index] * betas + offsets[index])


def as_stored(
    percent: Float[np.ndarray, "trials voxels"],
) -> Int16[np.ndarray, "trials voxels"]:
    """Percent signal change as NSD stores it."""
    limits = np.iinfo(np.int16)
    scaled = np.clip(np.round(nsd.PSC_SCALE * percent), -limits.max, limits.max)
    return scaled.astype(np.int16)


def _valid_voxels(
    simulated: SimulatedSubject, request: SimulationRequest
) -> Bool[np.ndarray, "sessions voxels"]:
    """A few voxels that leave the scanned slab in one session each."""
    generator = request.stream("invalid voxels")
    visual = simulated.anatomy.is_visual
    config = request.config
    chosen = np.concatenate(
        [
            generator.choice(np.flatnonzero(~visual), config.invalid_voxels, replace=False),
            generator.choice(np.flatnonzero(visual), config.invalid_roi_voxels, replace=False),
        ]
    )
    valid = np.ones((config.sessions, len(visual)), dtype=bool)
    valid[generator.integers(config.sessions, size=len(chosen)), chosen.astype(int)] = False
    return valid


def _write_summaries(
    folder: Path,
    betas: Int16[np.ndarray, "trials voxels"],
    image_ids: Int[np.ndarray, "trials"],
    version: str,
    simulated: SimulatedSubject,
    subject: int,
) -> None:
    """The mean, still scaled, and the estimate of ncsnr."""
    mean = betas.mean(0, dtype=np.float64).astype(np.float32)
    path = folder / nsd.mean_beta_path(subject, version)
    write_nifti(path, simulated.anatomy.volume(mean))
    ncsnr = estimate_ncsnr(betas, image_ids).astype(np.float32)
    write_nifti(folder / nsd.ncsnr_path(subject, version), simulated.anatomy.volume(ncsnr))
