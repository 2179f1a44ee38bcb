"""A made-up subject: what each voxel carries of a picture, and how noisily.

In units of a voxel's noise, the response to image i in trial t is
    (ncsnr * (signal(i) + jitter(t)) + rest * noise(t)) / sqrt(1 + ncsnr^2)
with signal of unit variance over images. Jitter moves meaning and look for all voxels at once;
independent noise alone would average out over voxels and make decoding trivially easy.

Sources: noise ceilings Allen et al. (2022) by area; power-law spectrum Gauthaman et al.
(arXiv 2409.06843); noise along the signal's dimensions Kay et al. (2025), GSN; drift Roth &
Merriam (2023).
"""

from dataclasses import dataclass

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from mindeye.simulate.anatomy import AREAS, Anatomy
from mindeye.simulate.components import principal_loadings, principal_scores, standardised
from mindeye.simulate.presets import SimulationConfig, SimulationRequest
from mindeye.simulate.trial_noise import smooth_noise

NOISE_CEILINGS: dict[str, tuple[float, float]] = {
    "V1": (0.37, 5.0),
    "V2": (0.31, 5.0),
    "V3": (0.30, 5.0),
    "hV4": (0.264, 5.0),
    "mid": (0.24, 3.0),
    "ventral": (0.20, 3.0),
    "lateral": (0.20, 3.0),
    "parietal": (0.17, 3.0),
    "cortex": (0.03, 2.5),
}
"""Area -> (median noise ceiling of three trials within `nsdgeneral`, concentration)."""
CEILING_TOP = 0.85
SILENT_SHARE = 0.03
"""Voxels of `nsdgeneral` whose ncsnr is exactly 0."""
FLOC_GAINS = {"floc-faces": 0, "floc-bodies": 1, "floc-places": 2}
"""Atlas -> the category axis that its voxels prefer."""
FLOC_STRENGTH = 1.0
SMOOTH_WEIGHTS = 0.5
"""Part of the variance of tuning to meaning that neighbours share."""


@dataclass(frozen=True, kw_only=True)
class SimulatedSubject:
    """What does not change from trial to trial; one column per brain voxel."""

    anatomy: Anatomy
    ncsnr: Float[np.ndarray, "voxels"]
    """Planted, for beta version b3."""
    signal: Float[np.ndarray, "images voxels"]
    jitter: Float[np.ndarray, "components voxels"]
    """Standard deviation that each latent noise component gives a voxel whose ncsnr is 1."""
    psc_mean: Float[np.ndarray, "voxels"]
    psc_sd: Float[np.ndarray, "voxels"]


def make_subject(
    anatomy: Anatomy,
    look: Float[np.ndarray, "images visual_voxels"],
    meaning: Float[np.ndarray, "images features"],
    category_axes: Float[np.ndarray, "images axes"],
    request: SimulationRequest,
) -> SimulatedSubject:
    """Mixes look and meaning into each voxel's signal, and plants noise ceilings."""
    config = request.config
    visual = anatomy.is_visual
    components = min(config.num_components, len(meaning) - 1, meaning.shape[1])
    look = _seen_look(look, request)
    share = _embedding_share(anatomy, config)
    seen = _seen(principal_scores(meaning, components), category_axes, request)
    tuning = _meaning_tuning(anatomy, components, config, request.stream("tuning"))
    tuning *= np.sqrt(share) / np.maximum((seen @ tuning).std(0), 1e-9)
    signal = seen @ tuning
    signal[:, visual] += np.sqrt(1 - share[visual]) * look
    look_tuning = np.zeros((components, len(share)))
    look_tuning[:, visual] = np.sqrt(1 - share[visual]) * principal_loadings(look, components)
    jitter = np.concatenate(
        [
            tuning[:components] * _latent_sd(components, config.latent_noise, config),
            tuning[components:] * np.sqrt(config.latent_noise),
            look_tuning * _latent_sd(components, config.low_level_noise, config),
        ]
    )
    ncsnr = _plant_ncsnr(anatomy, config, request.stream("ncsnr"))
    excess = np.sqrt((jitter**2).sum(0) / config.latent_cap) * ncsnr
    psc_mean, psc_sd = _percent_signal_change(anatomy, request.stream("psc"))
    return SimulatedSubject(
        anatomy=anatomy,
        ncsnr=ncsnr,
        signal=standardised(signal).astype(np.float32),
        jitter=(jitter / np.maximum(excess, 1)).astype(np.float32),
        psc_mean=psc_mean,
        psc_sd=psc_sd,
    )


def session_betas(
    subject: SimulatedSubject,
    image_rows: Int[np.ndarray, "trials"],
    voxel_noise: Float[np.ndarray, "trials voxels"],
    latent_noise: Float[np.ndarray, "trials components"],
    *,
    ncsnr_scale: float = 1.0,
) -> Float[np.ndarray, "trials voxels"]:
    """Standardised betas of one session, before gain and drift.

    Args:
        image_rows: rows of `subject.signal`.
        voxel_noise: of unit variance.
        latent_noise: standard normal; moves meaning and look for all voxels at once.
        ncsnr_scale: below one for the noisier beta versions.
    """
    snr = (subject.ncsnr * ncsnr_scale).astype(np.float32)
    jitter = (latent_noise @ subject.jitter) * snr
    rest = np.sqrt(1 - (subject.jitter**2).sum(0) * snr**2)
    return (snr * subject.signal[image_rows] + jitter + rest * voxel_noise) / np.sqrt(1 + snr**2)


def _seen(
    scores: Float[np.ndarray, "images components"],
    category_axes: Float[np.ndarray, "images axes"],
    request: SimulationRequest,
) -> Float[np.ndarray, "images features"]:
    """The part of meaning that the brain carries, with what it adds of its own."""
    private = request.stream("private").standard_normal(scores.shape)
    share = request.config.seen_share
    mixed = np.sqrt(share) * scores + np.sqrt(1 - share) * private
    return np.concatenate([mixed, standardised(category_axes)], axis=1)


def _seen_look(
    look: Float[np.ndarray, "images visual_voxels"], request: SimulationRequest
) -> Float[np.ndarray, "images visual_voxels"]:
    """The part of look that the brain carries; the rest is as if another picture shone through."""
    other = look[request.stream("private look").permutation(len(look))]
    share = request.config.seen_look_share
    return standardised(np.sqrt(share) * look + np.sqrt(1 - share) * other)


def _percent_signal_change(
    anatomy: Anatomy, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "voxels"], Float[np.ndarray, "voxels"]]:
    """Mean and standard deviation of each voxel's betas."""
    early = anatomy.is_area("V1", "V2", "V3", "hV4")
    mean = np.where(early, 2.0, 0.25) + generator.normal(0, 0.5, len(early))
    return mean, np.where(early, 3.0, 1.7) * generator.lognormal(0, 0.25, len(early))


def _latent_sd(components: int, strength: float, config: SimulationConfig) -> np.ndarray:
    order = np.arange(1, components + 1)
    return np.sqrt(strength * (1 + order / config.latent_knee))[:, None].astype(np.float32)


def _meaning_tuning(
    anatomy: Anatomy, components: int, config: SimulationConfig, generator: np.random.Generator
) -> Float[np.ndarray, "components voxels"]:
    """Power-law weights on the components of meaning, then the category axes of floc areas."""
    num_voxels = len(anatomy.areas)
    white = generator.standard_normal((components, num_voxels))
    shared = smooth_noise(anatomy.brain, components, config.smooth_fwhm, generator)
    tuning = np.sqrt(1 - SMOOTH_WEIGHTS) * white + np.sqrt(SMOOTH_WEIGHTS) * shared
    weights = np.arange(1, components + 1) ** (-config.signal_decay / 2)
    weights = weights / np.linalg.norm(weights)
    axes = np.zeros((len(FLOC_GAINS), num_voxels))
    for atlas, axis in FLOC_GAINS.items():
        axes[axis, anatomy.labels[atlas] > 0] = FLOC_STRENGTH
    tuning = np.concatenate([tuning * weights[:, None], axes])
    return tuning * (anatomy.areas >= 0)


def _embedding_share(anatomy: Anatomy, config: SimulationConfig) -> Float[np.ndarray, "voxels"]:
    share = np.full(len(anatomy.areas), config.higher_embedding_share)
    share[anatomy.is_area("V1", "V2", "V3")] = config.early_embedding_share
    share[anatomy.is_area("hV4")] = config.fourth_embedding_share
    return np.where(anatomy.is_visual, share, 1.0)


def _plant_ncsnr(
    anatomy: Anatomy, config: SimulationConfig, generator: np.random.Generator
) -> Float[np.ndarray, "voxels"]:
    """Draws noise ceilings by area; zero outside of cortex."""
    num_voxels = len(anatomy.areas)
    uniform = generator.random(num_voxels)
    silent = generator.random(num_voxels) < SILENT_SHARE
    ceiling = np.zeros(num_voxels)
    for index, name in enumerate(AREAS):
        for visual in (True, False):
            where = (anatomy.areas == index) & (anatomy.is_visual == visual)
            median, concentration = NOISE_CEILINGS[name if visual else "cortex"]
            ceiling[where] = _ceilings_at(uniform[where], median, concentration)
    ceiling = np.clip(ceiling * config.noise_ceiling_scale, 0, CEILING_TOP)
    ceiling[silent] = 0
    return np.sqrt(ceiling / (3 * (1 - ceiling)))


def _ceilings_at(quantiles: np.ndarray, median: float, concentration: float) -> np.ndarray:
    """Quantiles of a scaled Beta distribution with the median asked for."""
    means = np.linspace(0.01, 0.95, 200)
    medians = CEILING_TOP * scipy.special.betaincinv(
        means * concentration, (1 - means) * concentration, 0.5
    )
    mean = np.interp(median, medians, means)
    return CEILING_TOP * scipy.special.betaincinv(
        mean * concentration, (1 - mean) * concentration, quantiles
    )
