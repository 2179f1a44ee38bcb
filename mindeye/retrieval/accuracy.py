"""Retrieval on the test set, both directions, exact over all random pools.

Image retrieval: given the brain, find the image. Brain retrieval: given the image, find the brain.

The published MindEye1 and MindEye2 numbers have the two exchanged: their `fwd` similarity matrix
is a transpose, so what they print as "Image" is brain retrieval, and "Brain" is image retrieval.
`PUBLISHED_NAMES` maps ours to theirs.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.retrieval.pools import DrawnPools, Tally, drawn_tally, pool_accuracy
from mindeye.retrieval.similarity import (
    brain_retrieval_rivals,
    image_retrieval_rivals,
    similarity_matrix,
)
from mindeye.types import MetricRow

PUBLISHED_NAMES = {
    "image retrieval": ("bwd", "Brain"),
    "brain retrieval": ("fwd", "Image"),
}

# What retrieval asks of statistics: (values, **settings) -> value, low, high;
# for example `partial(bootstrap_interval, rng=rng)`.
IntervalOf = Callable[..., tuple[float, float, float]]


def retrieval_per_image(
    brain: Float[Tensor, "images *features"],
    images: Float[Tensor, "_images *_features"],
    pool_sizes: Sequence[int],
    tops: Sequence[int] = (1, 5),
    *,
    drawn: DrawnPools | None = None,
) -> dict[str, Float[np.ndarray, "images"]]:
    """Per-image accuracies, named `image retrieval top-1 of 100` and so on, and `... rank`.

    Two systems on the same images are compared by the paired difference of these arrays.

    Args:
        drawn: pools to draw, for rows in order of image ids; an image in none of them has NaN.

    Raises:
        ValueError: other counts, fewer than two images, or a pool larger than the test set.
        FloatingPointError: NaN or infinity.
    """
    tallies = _tallies(brain, images, pool_sizes, tops, drawn)
    return {name: tally.per_image for name, tally in tallies.items()}


def retrieval_rows(
    system: str,
    brain: Float[Tensor, "images *features"],
    images: Float[Tensor, "_images *_features"],
    pool_sizes: Sequence[int],
    interval: IntervalOf,
    tops: Sequence[int] = (1, 5),
    *,
    drawn: DrawnPools | None = None,
    published_labels: bool = False,
) -> list[MetricRow]:
    """Rows for the report: accuracies with chance top / pool, and the median rank.

    Args:
        drawn: pools to draw; accuracies are then means over them, and `n` counts the images that
            stand in any.
        published_labels: adds to our right names what the published systems print there.

    Raises:
        ValueError: other counts, fewer than two images, or a pool larger than the test set.
    """
    rows = []
    for name, tally in _tallies(brain, images, pool_sizes, tops, drawn).items():
        values, label = tally.contributions, ""
        if published_labels:
            label = f' (published as "{PUBLISHED_NAMES[" ".join(name.split()[:2])][1]}")'
        if name.endswith(" rank"):
            # The bootstrap's correction for skew is not made for medians.
            value, low, high = interval(values, statistic=np.median, method="percentile")
            name = name.replace(" rank", f" median rank of {len(values)}")
            chance, better = (len(values) + 1) / 2, "lower"
        else:
            top, pool_size = (int(part) for part in name.split("top-")[1].split(" of "))
            value, low, high = interval(values)
            # The linearised values of some resamples exceed what a share can be.
            low, high = max(low, 0.0), min(high, 1.0)
            chance, better = top / pool_size, "higher"
        numbers = {"value": value, "low": low, "high": high, "n": len(values), "chance": chance}
        rows.append(MetricRow(system=system, metric=name + label, better=better, **numbers))
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


def _tallies(
    brain: Float[Tensor, "images *features"],
    images: Float[Tensor, "_images *_features"],
    pool_sizes: Sequence[int],
    tops: Sequence[int],
    drawn: DrawnPools | None,
) -> dict[str, Tally]:
    """Hits by name, in the order of the rows."""
    if len(brain) != len(images) or len(images) < 2:
        raise ValueError(
            f"{len(brain)} brain and {len(images)} image embeddings: retrieval needs at least two "
            "pairs, matched by image id. Average repeats before this step."
        )
    similarity = similarity_matrix(brain, images)
    once = np.ones(len(images))
    result = {}
    for direction, rivals_of in (
        ("image retrieval", image_retrieval_rivals),
        ("brain retrieval", brain_retrieval_rivals),
    ):
        rivals = rivals_of(similarity)
        for pool_size in pool_sizes:
            pools = drawn.of_size(pool_size, len(images)) if drawn else None
            for top in tops:
                if top < pool_size:
                    result[f"{direction} top-{top} of {pool_size}"] = (
                        Tally(pool_accuracy(rivals, pool_size, top), once)
                        if pools is None
                        else drawn_tally(similarity, rivals_of, pools, top)
                    )
        result[f"{direction} rank"] = Tally(rivals + 1.0, once)
    return result
