"""Whether repeats of an image are decoded more alike than other trials: what noise cannot do.

The embeddings of trials that showed one image must lie nearer to each other than to those of other
images. It needs no training statistics and no known image, only which trials showed the same one.
A scan whose voxels stand in another order passes, too, if its voxels are reliable: `null_decode`
tells that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int

from mindeye.metrics.statistics import permutation_null, permutation_p
from mindeye.models.decoder import Decoder
from mindeye.reconstruction.null_decode import CLEAR

PERMUTATIONS = 999
FEW_TRIALS = 30
"""Of fewer, a good scan can stay below (19 simulated trials of 9 images: p was 0.017)."""
MOST_TRIALS = 3000
"""As many as NSD's test set has; the cosines of all pairs are held in memory."""
_TRIALS_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class RepeatLikeness:
    """Mean cosines between embeddings of single trials."""

    alike: Float[np.ndarray, "images"]
    """Over the pairs of an image's trials."""
    different: Float[np.ndarray, "images"]
    """Between an image's trials and those of all others."""
    of_trials: Mapping[int, Float[np.ndarray, "repeats"]]
    """Image number -> of each of its trials, the mean to its repeats minus that to other images."""
    p_value: float
    """Of repeats as much alike, if trials are dealt to the images anew within each session."""

    @property
    def num_trials(self) -> int:
        return sum(len(one) for one in self.of_trials.values())

    @property
    def difference(self) -> float:
        return float(self.alike.mean() - self.different.mean())

    @property
    def is_clear(self) -> bool:
        """Whether repeats are more alike."""
        return self.p_value <= CLEAR

    @property
    def can_tell(self) -> bool:
        """Whether there are enough repeats to tell."""
        return self.num_trials >= FEW_TRIALS

    @property
    def sentence(self) -> str:
        """For the screen and the page."""
        numbers = (
            f"mean cosine {self.alike.mean():.3f} among the {self.num_trials} trials of "
            f"{len(self.of_trials)} repeated images, {self.different.mean():.3f} between images "
            f"(difference {self.difference:+.3f}, p = {self.p_value:.2g})."
        )
        if self.is_clear:
            return f"Repeats of an image are decoded more alike than other trials: {numbers}"
        told = f"Repeats of an image are NOT decoded more alike than other trials: {numbers}"
        if not self.can_tell:
            return f"{told} So few repeats can hardly tell."
        return f"{told} Is the list of images that of this scan?"


def repeat_likeness(
    decoder: Decoder,
    subject: int,
    repeats_of: Mapping[int, Float32[np.ndarray, "repeats voxels"]],
    sessions_of: Mapping[int, Sequence[int | None]],
    *,
    seed: int,
) -> RepeatLikeness | None:
    """Decodes single trials of the images that have repeats; None where fewer than two have.

    Of more than `MOST_TRIALS` trials, images are drawn by seed.

    Args:
        repeats_of: image number -> z-scored betas.
        sessions_of: image number -> session of each of these trials, where it is known.
    """
    rng = np.random.default_rng([seed, len(repeats_of)])
    numbers = _chosen(repeats_of, rng)
    if len(numbers) < 2:
        return None
    images = np.repeat(np.arange(len(numbers)), [len(repeats_of[one]) for one in numbers])
    sessions = [str(session) for one in numbers for session in sessions_of[one]]
    cosines = _cosines(decoder, subject, np.concatenate([repeats_of[one] for one in numbers]))
    pairs = np.argwhere(np.triu(images[:, None] == images, 1))

    def alike(partner: Int[np.ndarray, "trials"]) -> Float[np.ndarray, "images"]:
        """Of each image, where trial i is that of `partner[i]`."""
        found = cosines[partner[pairs[:, 0]], partner[pairs[:, 1]]]
        of_pairs = images[pairs[:, 0]]
        return np.bincount(of_pairs, found) / np.bincount(of_pairs)

    null = permutation_null(
        lambda partner: float(alike(partner).mean()),
        len(images),
        rng,
        permutations=PERMUTATIONS,
        blocks=np.unique(sessions, return_inverse=True)[1],
    )
    own = _means(cosines, (images[:, None] == images) & ~np.eye(len(images), dtype=bool))
    others = _means(cosines, images[:, None] != images)
    found = alike(np.arange(len(images)))
    return RepeatLikeness(
        alike=found,
        different=np.bincount(images, others) / np.bincount(images),
        of_trials={one: (own - others)[images == row] for row, one in enumerate(numbers)},
        p_value=permutation_p(float(found.mean()), null),
    )


def _chosen(repeats_of: Mapping[int, np.ndarray], rng: np.random.Generator) -> list[int]:
    """Ascending images with repeats; of too many some drawn."""
    several = [number for number, betas in repeats_of.items() if len(betas) > 1]
    drawn = rng.permutation(np.array(several, dtype=np.int64))
    counts = np.array([len(repeats_of[number]) for number in drawn.tolist()])
    return np.sort(drawn[np.cumsum(counts) <= MOST_TRIALS]).tolist()


@torch.inference_mode()
def _cosines(
    decoder: Decoder, subject: int, betas: Float32[np.ndarray, "trials voxels"]
) -> Float[np.ndarray, "trials trials"]:
    device = next(decoder.parameters()).device
    parts = torch.from_numpy(betas).split(_TRIALS_AT_ONCE)
    embeddings = torch.cat([decoder(part.to(device), subject).embeddings for part in parts])
    return (embeddings @ embeddings.T).double().cpu().numpy()


def _means(
    cosines: Float[np.ndarray, "trials trials"], chosen: Bool[np.ndarray, "trials trials"]
) -> Float[np.ndarray, "trials"]:
    """Of each trial, over the chosen others."""
    return (cosines * chosen).sum(1) / chosen.sum(1)
