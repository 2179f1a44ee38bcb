"""Retrieval on the test set, both directions, exact over all random pools.

Image retrieval: given the brain, find the image. Brain retrieval: given the image, find the brain.

The published MindEye1 and MindEye2 numbers have the two exchanged: their `fwd` similarity matrix
is a transpose, so what they print as "Image" is brain retrieval, and "Brain" is image retrieval.
`PUBLISHED_NAMES` maps ours to theirs.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.types import MetricRow

PUBLISHED_NAMES = {
    "image retrieval": ("bwd", "Brain"),
    "brain retrieval": ("fwd", "Image"),
}
# Cosines closer than float32 can tell apart are ties, and ties count as misses.
TIE = 1e-6


# What retrieval asks of statistics: (values, **settings) -> value, low, high;
# for example `partial(bootstrap_interval, rng=rng)`.
IntervalOf = Callable[..., tuple[float, float, float]]


def similarity_matrix(
    brain: Float[Tensor, "trials *features"], images: Float[Tensor, "_images *_features"]
) -> Float[Tensor, "trials _images"]:
    """Cosine of every brain embedding (row) with every image embedding (column).

    Raises:
        ValueError: other feature counts, or an embedding of length zero.
        FloatingPointError: NaN or infinity.
    """
    if brain.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"Brain embeddings have shape {tuple(brain.shape[1:])} but image embeddings "
            f"{tuple(images.shape[1:])}. Were they made for the same target network?"
        )
    return _unit_rows("brain", brain.flatten(1)) @ _unit_rows("image", images.flatten(1)).T


def image_retrieval_rivals(
    similarity: Float[Tensor, "images images"],
) -> Int[np.ndarray, "images"]:
    """Given each brain (row), how many wrong images are at least as similar as its own.

    The published code calls this direction `bwd` and prints it as "Brain".
    """
    return _rivals(similarity)


def brain_retrieval_rivals(
    similarity: Float[Tensor, "images images"],
) -> Int[np.ndarray, "images"]:
    """Given each image (column), how many wrong brains are at least as similar as its own.

    The published code calls this direction `fwd` and prints it as "Image".
    """
    return _rivals(similarity.T)


def pool_accuracy(
    rivals: Int[np.ndarray, "images"], pool_size: int, top: int = 1
) -> Float[np.ndarray, "images"]:
    """Probability that each item is among the `top` of a random pool, exact over all pools.

    A pool holds the right item and `pool_size - 1` of the wrong ones, drawn without replacement;
    the number of rivals among them is hypergeometric. The published 30 draws estimate its mean.

    Raises:
        ValueError: a pool larger than the test set, or smaller than two.
    """
    others, drawn = len(rivals) - 1, pool_size - 1
    if not 1 <= drawn <= others:
        raise ValueError(
            f"A pool of {pool_size} cannot be drawn from {others + 1} test images. "
            f"Choose pool sizes from 2 to {others + 1}."
        )
    if drawn == others:
        return (rivals < top).astype(np.float64)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, others + 1)))])

    def log_choose(total: np.ndarray | int, part: int) -> np.ndarray:
        total = np.asarray(total)
        rest = np.clip(total - part, 0, None)
        value = log_factorial[total] - log_factorial[part] - log_factorial[rest]
        return np.where(part <= total, value, -np.inf)

    probability = np.zeros(len(rivals))
    for beaten_by in range(min(top, drawn + 1)):
        ways = log_choose(rivals, beaten_by) + log_choose(others - rivals, drawn - beaten_by)
        probability += np.exp(ways - log_choose(others, drawn))
    return np.clip(probability, 0.0, 1.0)


def retrieval_per_image(
    brain: Float[Tensor, "images *features"],
    images: Float[Tensor, "_images *_features"],
    pool_sizes: Sequence[int],
    tops: Sequence[int] = (1, 5),
) -> dict[str, Float[np.ndarray, "images"]]:
    """Per-image accuracies, named `image retrieval top-1 of 100` and so on, and `... rank`.

    Two systems on the same images are compared by the paired difference of these arrays.

    Raises:
        ValueError: other counts, fewer than two images, or a pool larger than the test set.
        FloatingPointError: NaN or infinity.
    """
    if len(brain) != len(images) or len(images) < 2:
        raise ValueError(
            f"{len(brain)} brain and {len(images)} image embeddings: retrieval needs at least two "
            "pairs, matched by image id. Average repeats before this step."
        )
    similarity = similarity_matrix(brain, images)
    result = {}
    for direction, rivals in (
        ("image retrieval", image_retrieval_rivals(similarity)),
        ("brain retrieval", brain_retrieval_rivals(similarity)),
    ):
        for pool_size in pool_sizes:
            for top in tops:
                if top < pool_size:
                    name = f"{direction} top-{top} of {pool_size}"
                    result[name] = pool_accuracy(rivals, pool_size, top)
        result[f"{direction} rank"] = rivals + 1.0
    return result


def retrieval_rows(
    system: str,
    brain: Float[Tensor, "images *features"],
    images: Float[Tensor, "_images *_features"],
    pool_sizes: Sequence[int],
    interval: IntervalOf,
    tops: Sequence[int] = (1, 5),
) -> list[MetricRow]:
    """Rows for the report: accuracies with chance top / pool, and the median rank.

    Raises:
        ValueError: other counts, fewer than two images, or a pool larger than the test set.
    """
    rows = []
    for name, values in retrieval_per_image(brain, images, pool_sizes, tops).items():
        if name.endswith(" rank"):
            # The bootstrap's correction for skew is not made for medians.
            estimate = interval(values, statistic=np.median, method="percentile")
            name = name.replace(" rank", f" median rank of {len(values)}")
            chance, better = (len(values) + 1) / 2, "lower"
        else:
            top, pool_size = (int(part) for part in name.split("top-")[1].split(" of "))
            estimate = interval(values)
            chance, better = top / pool_size, "higher"
        value, low, high = estimate
        numbers = {"value": value, "low": low, "high": high, "n": len(values), "chance": chance}
        rows.append(MetricRow(system=system, metric=name, better=better, **numbers))
    return rows


def top_images(
    brain: Float[Tensor, "trials *features"],
    images: Float[Tensor, "_images *_features"],
    num_found: int,
) -> Int[Tensor, "trials found"]:
    """Positions of the images most similar to each brain embedding, best first.

    Raises:
        ValueError: more images asked for than there are.
    """
    if num_found > len(images):
        raise ValueError(
            f"{num_found} images asked for from {len(images)}. Ask for at most {len(images)}."
        )
    return similarity_matrix(brain, images).topk(num_found, dim=1).indices


def _unit_rows(
    name: str, embeddings: Float[Tensor, "rows features"]
) -> Float[Tensor, "rows features"]:
    embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    lengths = embeddings.norm(dim=1, keepdim=True)
    bad = torch.nonzero(~torch.isfinite(lengths).flatten()).flatten()
    if len(bad):
        raise FloatingPointError(
            f"{len(bad)} of {len(lengths)} {name} embeddings hold NaN or infinity, first at "
            f"positions {bad[:5].tolist()}. Look at the network that made them."
        )
    zero = torch.nonzero((lengths == 0).flatten()).flatten()
    if len(zero):
        raise ValueError(
            f"{len(zero)} of {len(lengths)} {name} embeddings have length zero, first at positions "
            f"{zero[:5].tolist()}. They have no direction to compare."
        )
    return embeddings / lengths


def _rivals(similarity: Float[Tensor, "rows rows"]) -> Int[np.ndarray, "rows"]:
    own = similarity.diagonal().unsqueeze(1)
    at_least = similarity >= own - TIE
    return (at_least.sum(1) - 1).cpu().numpy()
