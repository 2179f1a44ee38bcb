"""From a published noise ceiling back to what a bundle holds."""

import numpy as np
from jaxtyping import Float32


def ncsnr_of(noise_ceiling: Float32[np.ndarray, "voxels"]) -> Float32[np.ndarray, "voxels"]:
    """Undoes NC(1) = 100 ncsnr^2 / (ncsnr^2 + 1) (Allen et al. 2022); NaN stays NaN."""
    share = np.clip(noise_ceiling, 0, 99.9) / 100
    return np.sqrt(share / (1 - share)).astype(np.float32)
