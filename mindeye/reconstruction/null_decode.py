"""The same scan with its voxels shuffled: what a decoder makes of brains that say nothing to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from mindeye.metrics.statistics import permutation_p
from mindeye.models.decoder import Decoder

SHUFFLES = 99
MOST_TRIALS = 50
"""More would take long with large decoders and tell little more."""
FEW_TRIALS = 10
"""Of fewer, also good ones often stay among their shuffles (of 3 simulated ones, p was 0.02)."""
CLEAR = 0.01
"""The smallest p-value that so many shuffles can give: every one of them is passed."""


@dataclass(frozen=True, kw_only=True)
class NullComparison:
    """How far the decoded embeddings lie apart, beside shuffles of the same scan.

    A decoder answers to the pattern that it has learned; a scan in another voxel order or of
    another brain is to it what a shuffled scan is. Then the scan itself is one shuffle among
    others, and its rank among them is the p-value of a permutation test.
    """

    spread_of_trials: Float[np.ndarray, "trials"]
    """Mean of 1 - cosine between the embedding of a trial and those of the others."""
    null: tuple[float, ...]
    """The mean over trials of each shuffle."""

    @property
    def num_trials(self) -> int:
        return len(self.spread_of_trials)

    @property
    def spread(self) -> float:
        return float(self.spread_of_trials.mean())

    @property
    def distance(self) -> float:
        """Standard deviations of the shuffles between the scan and their mean."""
        return float((self.spread - np.mean(self.null)) / max(np.std(self.null, ddof=1), 1e-12))

    @property
    def p_value(self) -> float:
        """Of a spread as large as this."""
        return permutation_p(self.spread, np.array(self.null))

    @property
    def is_clear(self) -> bool:
        """Whether the scan stands out from its shuffles."""
        return self.p_value <= CLEAR

    @property
    def sentence(self) -> str:
        """For the screen and the page."""
        numbers = (
            f"the embeddings of {self.num_trials} trials lie {self.spread:.3f} apart, those of "
            f"{len(self.null)} shuffles of the voxels {min(self.null):.3f} to "
            f"{max(self.null):.3f} ({self.distance:+.1f} standard deviations, p = "
            f"{self.p_value:.2g})."
        )
        if self.is_clear:
            return f"This scan stands out from noise: {numbers}"
        told = f"This scan does NOT stand out from noise: {numbers} A generator draws plausible"
        if self.num_trials < FEW_TRIALS:
            return f"{told} pictures from anything, but so few trials can hardly tell: decode more."
        return f"{told} pictures from anything: do not believe these."


TOO_FEW = "One trial alone cannot be told from noise: decode more, or look at several."


def null_comparison(
    decoder: Decoder,
    subject: int,
    betas: Float32[np.ndarray, "trials voxels"],
    *,
    seed: int,
    shuffles: int = SHUFFLES,
) -> NullComparison | None:
    """Compares a z-scored scan with shuffles of its voxels; None for fewer than two trials.

    Of more than `MOST_TRIALS` trials, so many are drawn by seed.
    """
    if len(betas) < 2:
        return None
    drawn = np.random.default_rng(seed).permutation(len(betas))[:MOST_TRIALS]
    betas = betas[np.sort(drawn)]
    orders = voxel_orders(betas.shape[1], seed, shuffles)
    return NullComparison(
        spread_of_trials=embedding_spread(decoder, subject, betas),
        null=tuple(
            float(embedding_spread(decoder, subject, betas[:, order]).mean()) for order in orders
        ),
    )


@torch.inference_mode()
def embedding_spread(
    decoder: Decoder, subject: int, betas: Float32[np.ndarray, "trials voxels"]
) -> Float[np.ndarray, "trials"]:
    """Of each trial, the mean of 1 - cosine to all others."""
    device = next(decoder.parameters()).device
    embeddings = decoder(torch.from_numpy(betas).to(device), subject).embeddings
    cosines = embeddings @ embeddings.T
    return (1 - (cosines.sum(1) - cosines.diagonal()) / (len(betas) - 1)).cpu().numpy()


def voxel_orders(num_voxels: int, seed: int, shuffles: int) -> Sequence[Int[np.ndarray, "voxels"]]:
    """Orders of the voxels, one for all trials of a shuffle; the first is that which is shown."""
    rng = np.random.default_rng([seed, num_voxels])
    return [rng.permutation(num_voxels) for _ in range(shuffles)]
