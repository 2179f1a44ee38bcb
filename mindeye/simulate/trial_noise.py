"""What changes from trial to trial and from session to session without the picture's doing.

Sources: noise along the signal's dimensions Kay et al. (2025), GSN; drift over sessions Roth &
Merriam (2023).
"""

import numpy as np
import scipy.signal
from jaxtyping import Bool, Float

from mindeye.simulate.presets import SimulationConfig


def voxel_noise(
    brain: Bool[np.ndarray, "x y z"],
    num_trials: int,
    config: SimulationConfig,
    generator: np.random.Generator,
) -> Float[np.ndarray, "trials voxels"]:
    """Noise of unit variance, partly shared by neighbours and by successive trials."""
    white = generator.standard_normal((num_trials, int(brain.sum())), dtype=np.float32)
    smooth = smooth_noise(brain, num_trials, config.smooth_fwhm, generator)
    noise = np.sqrt(1 - config.smooth_share) * white + np.sqrt(config.smooth_share) * smooth
    fresh = np.sqrt(1 - config.autocorrelation**2)
    filtered, _ = scipy.signal.lfilter(
        [fresh], [1, -config.autocorrelation], noise, axis=0, zi=(1 - fresh) * noise[:1]
    )
    return filtered.astype(np.float32)


def smooth_noise(
    brain: Bool[np.ndarray, "x y z"], num_maps: int, fwhm: float, generator: np.random.Generator
) -> Float[np.ndarray, "maps voxels"]:
    """Unit-variance Gaussian noise that neighbouring brain voxels share."""
    maps = generator.standard_normal((num_maps, *brain.shape), dtype=np.float32)
    for axis, size in enumerate(brain.shape, start=1):
        distance = np.subtract.outer(np.arange(size), np.arange(size))
        kernel = np.exp(-(distance**2) * 8 * np.log(2) / (2 * fwhm**2))
        kernel = (kernel / np.linalg.norm(kernel, axis=1, keepdims=True)).astype(np.float32)
        maps = np.moveaxis(np.moveaxis(maps, axis, -1) @ kernel.T, -1, axis)
    return maps[:, brain]


def session_changes(
    num_voxels: int, config: SimulationConfig, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "sessions voxels"], Float[np.ndarray, "sessions voxels"]]:
    """Baseline (a random walk) and gain of each session."""
    steps = generator.normal(0, config.offset_sd, (config.sessions, num_voxels))
    gains = np.exp(generator.normal(0, config.gain_sd, (config.sessions, num_voxels)))
    return np.cumsum(steps, axis=0), gains
