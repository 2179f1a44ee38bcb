"""What the benchmark of metrics computes, each as the published loops do it and as we do it.

The loops are written from what is known of the published evaluation (MindEye1's
Reconstruction_Metrics.py and Retrievals.py, MindEye2's final_evaluations.ipynb): np.corrcoef for
each picture, scikit-image for each pair, corrcoef of stacked rows, 30 draws of 300.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity as skimage_similarity
from torch import Tensor
from torch.nn.functional import normalize

from mindeye.metrics.identification import two_way_wins
from mindeye.metrics.pixels import pixel_correlation, structural_similarity
from mindeye.reconstruction.all_cores import map_on_all_cores
from mindeye.retrieval.pools import DrawnPools, drawn_tally
from mindeye.retrieval.similarity import (
    brain_retrieval_rivals,
    image_retrieval_rivals,
    similarity_matrix,
)

TEST_IMAGES, POOL = 982, 300
SIDE, PICTURES, BLOCK = 425, 256, 16
Values = Float[np.ndarray, "values"]
Computation = Callable[[Tensor, Tensor], Values]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One metric: its inputs, and two ways to the same numbers."""

    shape: tuple[int, ...]
    """Of either side."""
    published: Computation
    ours: Computation
    bar: float
    """How many times faster ours is to be on one core."""
    tolerance: float
    """How far apart the numbers may be; 0 for counts."""

    def inputs(self, num_images: int | None = None) -> tuple[Tensor, Tensor]:
        """Made-up values in [0, 1], the second side somewhat like the first."""
        generator = torch.Generator().manual_seed(0)
        shape = (num_images or self.shape[0], *self.shape[1:])
        first = torch.rand(shape, generator=generator)
        second = torch.rand(shape, generator=generator)
        return second.mul_(0.95).add_(first, alpha=0.05), first


def published_pixel_correlation(drawn: Tensor, shown: Tensor) -> Values:
    """np.corrcoef of two flattened pictures, one after the other."""
    drawn, shown = drawn.flatten(1), shown.flatten(1)
    pairs = zip(shown, drawn, strict=True)
    return np.array([np.corrcoef(first, second)[0][1] for first, second in pairs])


def published_similarity(drawn: Tensor, shown: Tensor) -> Values:
    """scikit-image's structural similarity of two grey pictures, one after the other."""
    grey = [rgb2gray(images.permute(0, 2, 3, 1)) for images in (drawn, shown)]
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(*grey, strict=True)
    return np.array([skimage_similarity(*pair, data_range=1.0, **settings) for pair in pairs])


def published_wins(drawn: Tensor, shown: Tensor) -> Values:
    """np.corrcoef of all rows stacked; a column's counts are those of a reconstruction."""
    table = np.corrcoef(shown.numpy(), drawn.numpy())[: len(shown), len(shown) :]
    return (table < np.diag(table)).sum(0).astype(np.float64)


def published_retrieval(brain: Tensor, images: Tensor) -> Values:
    """In each pool embeddings are normalised and both directions computed anew; hits by image."""
    hits = np.zeros((2, len(images)))
    for pool in pools_of(len(images)):
        seen, decoded = (normalize(side[pool].reshape(len(pool), -1)) for side in (images, brain))
        for direction, pair in enumerate(((seen, decoded), (decoded, seen))):
            # The published top-k sorts each row whole.
            found = torch.argsort(published_cosines(*pair), dim=1)[:, -1]
            hits[direction, pool] += (found == torch.arange(len(pool))).numpy()
    return hits.ravel()


def published_cosines(first: Tensor, second: Tensor) -> Tensor:
    """The published function: norms are taken again, and what comes out is a transpose."""
    second = second.T
    norms = first.norm(dim=1, keepdim=True) @ second.norm(dim=0, keepdim=True)
    return ((first @ second) / norms).T


def our_retrieval(brain: Tensor, images: Tensor) -> Values:
    """One product for all pools and both directions."""
    similarity, pools = similarity_matrix(brain, images), pools_of(len(images))
    directions = (image_retrieval_rivals, brain_retrieval_rivals)
    return np.concatenate([drawn_tally(similarity, one, pools).hits for one in directions])


def pools_of(num_images: int) -> np.ndarray:
    """The same 30 pools for both."""
    return DrawnPools(seed=0).of_size(min(POOL, num_images), num_images)


def by_blocks(metric: Callable[[Tensor, Tensor], Tensor], drawn: Tensor, shown: Tensor) -> Values:
    """A metric of pictures on as many cores as there are, as `picture_scores` computes it."""
    of_block = partial(_of_block, metric, drawn, shown)
    return np.concatenate(map_on_all_cores(of_block, range(0, len(shown), BLOCK)))


def _of_block(
    metric: Callable[[Tensor, Tensor], Tensor], drawn: Tensor, shown: Tensor, start: int
) -> Values:
    return metric(drawn[start : start + BLOCK], shown[start : start + BLOCK]).numpy()


def our_wins(drawn: Tensor, shown: Tensor) -> Values:
    """Counts, not shares."""
    return (two_way_wins(drawn, shown) * (len(shown) - 1)).round().numpy()


def _wins(features: int) -> Work:
    return Work(
        shape=(TEST_IMAGES, features),
        published=published_wins,
        ours=our_wins,
        bar=4,
        tolerance=0,
    )


def _retrieval(features: int) -> Work:
    return Work(
        shape=(TEST_IMAGES, features),
        published=published_retrieval,
        ours=our_retrieval,
        bar=10,
        tolerance=0,
    )


_PICTURES = (PICTURES, 3, SIDE, SIDE)
WORKS: Mapping[str, Work] = MappingProxyType(
    {
        "PixCorr": Work(
            shape=_PICTURES,
            published=published_pixel_correlation,
            ours=partial(by_blocks, pixel_correlation),
            bar=3.5,
            tolerance=1e-6,
        ),
        "SSIM": Work(
            shape=_PICTURES,
            published=published_similarity,
            ours=partial(by_blocks, structural_similarity),
            bar=1.7,
            tolerance=1e-5,
        ),
        "two-way identification, 2048 features": _wins(2048),
        "two-way identification, 184512 features": _wins(184_512),
        # The 1 x 768 decoder, one in between, and the 257 x 768 decoder.
        "30 draws of 300-way retrieval, 768 features": _retrieval(768),
        "30 draws of 300-way retrieval, 32768 features": _retrieval(32_768),
        "30 draws of 300-way retrieval, 197376 features": _retrieval(257 * 768),
    }
)
