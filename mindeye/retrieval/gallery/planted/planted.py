"""True pictures planted among a gallery's: how many of the others a brain takes for more alike.

The vectors of the gallery are told apart by their cosine with the true picture, image to image:
copies of it (float16 apart) count as the picture itself; near duplicates are counted, and accuracy
is given with them as rivals, left out, and as hits; all others are distractors. All comparisons are
exact. Memory does not grow with the gallery, which is read twice.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.special import gammaln

from mindeye.retrieval.gallery.blocks import Blocks
from mindeye.retrieval.similarity import TIE

SAME = 0.9999
"""Cosines of a picture's embedding with the same, stored as float16, are higher."""
RIVALS, LEFT_OUT, HITS = "as rivals", "left out", "as hits"
DUPLICATES = (RIVALS, LEFT_OUT, HITS)
"""What near duplicates of the true picture count as."""


@dataclass(frozen=True, kw_only=True)
class PlantedRanks:
    """Of each true picture, who is at least as similar to the brain as it is."""

    num_vectors: int
    """That can be found in the gallery."""
    own_rows: Int64[np.ndarray, "images"]
    """Gallery row of the picture itself, the first of its copies; -1 where it is not there."""
    own_scores: Float32[np.ndarray, "images"]
    """Cosine of brain and true picture."""
    copies: Int64[np.ndarray, "images"]
    duplicates: Int64[np.ndarray, "images"]
    rivals: Int64[np.ndarray, "images"]
    """Distractors and near duplicates that are at least as similar; ties are rivals."""
    rival_duplicates: Int64[np.ndarray, "images"]
    """Near duplicates among them."""
    rivals_of_best: Int64[np.ndarray, "images"]
    """Distractors that are at least as similar as the best of picture and near duplicates."""
    tail: Float32[np.ndarray, "images tail"]
    """Cosines of the most similar distractors, highest first."""

    def counted(
        self, duplicates: str
    ) -> tuple[Int64[np.ndarray, "images"], Int64[np.ndarray, "images"]]:
        """Rivals of each picture, and among how many others, as near duplicates count."""
        others = self.num_vectors - self.copies
        match duplicates:
            case "as rivals":
                return self.rivals, others
            case "left out":
                return self.rivals - self.rival_duplicates, others - self.duplicates
            case "as hits":
                return self.rivals_of_best, others - self.duplicates
        raise LookupError(
            f"Near duplicates cannot count `{duplicates}`. Choose one of {', '.join(DUPLICATES)}."
        )


def planted_ranks(
    blocks: Blocks,
    brain: Float32[np.ndarray, "images width"],
    truths: Float32[np.ndarray, "images width"],
    looks: Float32[np.ndarray, "images embedding"],
    *,
    duplicate_above: float,
    tail: int = 1000,
) -> PlantedRanks:
    """Compares every vector with every brain and every true picture.

    Args:
        brain, truths: unit vectors in the space in which brains are compared, matched by row.
        looks: embeddings of the true pictures, by which pictures are alike.
        duplicate_above: vectors whose cosine with the true picture is higher are near duplicates
            of it.
        tail: how many similarities of distractors are kept of each image.

    Raises:
        ValueError: a threshold that tells no near duplicate from a copy, or an empty gallery.
    """
    if not -1 < duplicate_above < SAME:
        raise ValueError(
            f"A picture with a cosine above {duplicate_above} cannot be told as a near duplicate. "
            f"Choose a threshold below {SAME}."
        )
    own_scores = np.einsum("iw,iw->i", brain, truths)
    own_rows, best = _first_pass(blocks, brain, looks, duplicate_above, own_scores)
    count = len(brain)
    copies, duplicates, rivals, rival_duplicates, of_best = np.zeros((5, count), np.int64)
    highest, total = np.empty((count, 0), np.float32), 0
    for _, vectors, embeddings in blocks():
        alike, scores = likeness(looks, embeddings), brain @ vectors.T
        same = alike >= SAME
        near = (alike > duplicate_above) & ~same
        wins = (scores >= own_scores[:, None] - TIE) & ~same
        copies += same.sum(1)
        duplicates += near.sum(1)
        rivals += wins.sum(1)
        rival_duplicates += (wins & near).sum(1)
        distractors = np.where(same | near, -np.inf, scores)
        of_best += (distractors >= best[:, None] - TIE).sum(1)
        highest = _highest(np.concatenate([highest, distractors], 1), tail)
        total += len(vectors)
    fewest = int((total - copies - duplicates).min()) if total else 0
    if fewest < 1:
        raise ValueError(
            "Some true picture has no distractor in the gallery: all are near duplicates of it. "
            "Give a larger gallery, or a higher threshold."
        )
    return PlantedRanks(
        num_vectors=total,
        own_rows=own_rows,
        own_scores=own_scores,
        copies=copies,
        duplicates=duplicates,
        rivals=rivals,
        rival_duplicates=rival_duplicates,
        rivals_of_best=of_best,
        tail=-np.sort(-highest, axis=1)[:, : min(tail, fewest)],
    )


def likeness(
    looks: Float32[np.ndarray, "images embedding"],
    embeddings: Float32[np.ndarray, "rows embedding"],
) -> Float32[np.ndarray, "images rows"]:
    """Cosines of pictures with pictures, whatever float16 has made of the lengths of the latter."""
    return looks @ (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).T


def _first_pass(
    blocks: Blocks,
    brain: Float32[np.ndarray, "images width"],
    looks: Float32[np.ndarray, "images embedding"],
    above: float,
    own_scores: Float32[np.ndarray, "images"],
) -> tuple[Int64[np.ndarray, "images"], Float32[np.ndarray, "images"]]:
    """Where the pictures themselves stand, and the best score of each or its near duplicates."""
    own_rows, best = np.full(len(brain), -1, np.int64), own_scores.copy()
    for rows, vectors, embeddings in blocks():
        alike = likeness(looks, embeddings)
        images, places = np.nonzero(alike > above)
        for image, place in zip(images.tolist(), places.tolist(), strict=True):
            if alike[image, place] >= SAME:
                if own_rows[image] < 0:
                    own_rows[image] = rows[place]
            else:
                best[image] = max(best[image], brain[image] @ vectors[place])
    return own_rows, best


def _highest(
    scores: Float32[np.ndarray, "images found"], count: int
) -> Float32[np.ndarray, "images _kept"]:
    if scores.shape[1] <= count:
        return scores
    return -np.partition(-scores, count - 1, axis=1)[:, :count]


def planted_accuracy(
    rivals: Int64[np.ndarray, "images"],
    others: Int64[np.ndarray, "images"],
    drawn: int | None,
    top: int,
) -> Float64[np.ndarray, "images"]:
    """Probability that each picture is among the `top`, exact over all draws of distractors.

    Args:
        others: among how many the rivals were counted.
        drawn: how many of them are drawn, without replacement; None: all.

    Raises:
        ValueError: more than there are.
    """
    if drawn is None:
        return (rivals < top).astype(np.float64)
    if not 1 <= drawn <= others.min():
        raise ValueError(
            f"{drawn} distractors cannot be drawn from {others.min()}. Choose from 1 to that."
        )
    probability = np.zeros(len(rivals))
    all_ways = _log_choose(others, drawn)
    for beaten_by in range(min(top, drawn + 1)):
        ways = _log_choose(rivals, beaten_by) + _log_choose(others - rivals, drawn - beaten_by)
        probability += np.exp(ways - all_ways)
    # Logarithms of factorials leave a certain hit at 1 - 1e-11; intervals ask for whole numbers.
    return probability.clip(0.0, 1.0).round(9)


def expected_rank(
    rivals: Int64[np.ndarray, "images"], others: Int64[np.ndarray, "images"], drawn: int | None
) -> Float64[np.ndarray, "images"]:
    """Mean rank over all draws of that many distractors; 1 is best."""
    return 1.0 + rivals * (1.0 if drawn is None else drawn / others)


def _log_choose(total: Int64[np.ndarray, "images"], part: int) -> Float[np.ndarray, "images"]:
    rest = np.clip(total - part, 0, None)
    value = gammaln(total + 1.0) - gammaln(part + 1.0) - gammaln(rest + 1.0)
    return np.where(part <= total, value, -np.inf)
