"""NSD's estimate of a voxel's signal-to-noise ratio from repeated images.

Source: cvnlab/nsddatapaper `main/export_noiseceiling.m`, `translatevmetric.m`.
"""

import warnings

import numpy as np
from jaxtyping import Float, Int

from mindeye import nsd_layout as nsd

VOXELS_AT_ONCE = 512


def estimate_ncsnr(
    betas: Int[np.ndarray, "trials voxels"] | Float[np.ndarray, "trials voxels"],
    image_ids: Int[np.ndarray, "trials"],
) -> Float[np.ndarray, "voxels"]:
    """ncsnr from the images that were shown exactly three times; NaN where a voxel never varies.

    Betas are z-scored within each session of 750 trials, so their unit does not matter; sessions
    in which a voxel is constant are left out.

    Raises:
        ValueError: no image was shown three times.
    """
    order = np.argsort(image_ids, kind="stable")
    _, starts, counts = np.unique(image_ids[order], return_index=True, return_counts=True)
    thrice = starts[counts == nsd.REPEATS_PER_IMAGE]
    if not len(thrice):
        raise ValueError(
            f"None of {len(counts)} images was shown {nsd.REPEATS_PER_IMAGE} times in "
            f"{len(image_ids)} trials. Add sessions, or use the compact placement."
        )
    trials = order[thrice[:, None] + np.arange(nsd.REPEATS_PER_IMAGE)]
    chunks = [
        _ncsnr_of_chunk(betas[:, start : start + VOXELS_AT_ONCE].astype(np.float32), trials)
        for start in range(0, betas.shape[1], VOXELS_AT_ONCE)
    ]
    return np.concatenate(chunks)


def _ncsnr_of_chunk(
    betas: Float[np.ndarray, "trials voxels"], trials: Int[np.ndarray, "images repeats"]
) -> Float[np.ndarray, "voxels"]:
    sessions = betas.reshape(-1, nsd.TRIALS_PER_SESSION, betas.shape[1])
    deviation = sessions.std(1, ddof=1, keepdims=True)
    deviation = np.where(deviation > 0, deviation, np.nan)
    zscored = ((sessions - sessions.mean(1, keepdims=True)) / deviation).reshape(betas.shape)
    variance = zscored[trials].var(1, ddof=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        noise = np.sqrt(np.nanmean(variance, axis=0))
    return np.sqrt(np.maximum(0, 1 - noise**2)) / noise
