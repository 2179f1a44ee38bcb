"""The baseline to beat: one ridge regression from voxels to the same tokens and latents."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import Ridge, RidgeCV

from mindeye.models.contrastive_head import embedding_of
from mindeye.targets.cache import TargetTable
from mindeye.types import Decoded, RepeatBatch

# z-scored betas of thousands of voxels: the useful range of penalties, chosen within it by
# leave-one-out error on the training images.
ALPHAS = tuple(10.0 ** np.arange(1.0, 6.5, 0.5))


# The penalty is common to all outputs; this many of them, evenly spread, choose it.
NUM_PROBE_OUTPUTS = 256


def ridge_decoded(train: RepeatBatch, scans: RepeatBatch, targets: TargetTable) -> Decoded:
    """Fits on the means over repeats of `train`, and decodes `scans`.

    One penalty for all outputs. The embedding is the predicted tokens themselves.
    """
    tokens = targets.tokens(train.image_ids)
    latents = targets.latents(train.image_ids)
    wanted = torch.cat([tokens.flatten(1), latents.flatten(1)], dim=1)
    scale = wanted.std(0).clamp_min(1e-6)
    scan, outputs = _array(train), (wanted / scale).numpy()
    ridge = fitted_ridge(scan, outputs)
    predicted = torch.from_numpy(ridge.predict(_array(scans))).float() * scale
    num_token_values = tokens[0].numel()
    brain_tokens = predicted[:, :num_token_values].unflatten(1, tokens.shape[1:])
    return Decoded(
        image_ids=scans.image_ids,
        brain_tokens=brain_tokens,
        embeddings=embedding_of(brain_tokens),
        image_tokens=None,
        latents=predicted[:, num_token_values:].unflatten(1, latents.shape[1:]),
    )


def fitted_ridge(
    scan: Float[np.ndarray, "images voxels"],
    outputs: Float[np.ndarray, "images features"],
    penalties: Sequence[float] = ALPHAS,
) -> Ridge:
    """Ridge regression with the penalty of least leave-one-out error, common to all outputs."""
    probe = np.unique(np.linspace(0, outputs.shape[1] - 1, NUM_PROBE_OUTPUTS).astype(int))
    penalty = RidgeCV(alphas=penalties).fit(scan, outputs[:, probe]).alpha_
    return Ridge(alpha=penalty).fit(scan, outputs)


def _array(scans: RepeatBatch) -> Float[np.ndarray, "images voxels"]:
    return scans.mean().numpy()
