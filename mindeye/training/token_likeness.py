"""Pictures as points: principal components of their tokens, however many values a picture has."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.targets.cache import TargetTable
from mindeye.targets.cached_rows import rows_of

VALUES_IN_MEMORY = 1 << 24
"""Token values that are in memory as float32 at a time (67 MB)."""
SMALLEST_SHARE = 1e-6
"""Of the first component's variance; what is below is rounding."""


class Pictures(NamedTuple):
    """Some images of a cache."""

    targets: TargetTable
    image_ids: Int[Tensor, "images"]


def component_scores(
    known: list[Pictures], new: list[Pictures], num_components: int
) -> tuple[Float[np.ndarray, "known components"], Float[np.ndarray, "new components"]]:
    """Scores of both on the components of the known pictures, by their products with each other.

    Tokens are read in blocks of features: 257 x 768 values of thousands of pictures never stand in
    memory, only their products do (4 bytes a pair with a known picture).
    """
    num_known = sum(len(one.image_ids) for one in known)
    num_all = num_known + sum(len(one.image_ids) for one in new)
    products = torch.zeros(num_all, num_known)
    num_features = int(np.prod(known[0].targets.tokens_array.shape[1:]))
    width = max(1, VALUES_IN_MEMORY // num_all)
    for start in range(0, num_features, width):
        block = torch.cat([_columns(one, start, start + width) for one in (*known, *new)])
        block -= block[:num_known].mean(0)
        products.addmm_(block, block[:num_known].T)
    variances, directions = torch.linalg.eigh(products[:num_known].double())
    chosen = variances.argsort(descending=True)[:num_components]
    chosen = chosen[variances[chosen] > SMALLEST_SHARE * variances.max()]
    scores = products.double() @ directions[:, chosen] / variances[chosen].sqrt()
    return scores[:num_known].numpy(), scores[num_known:].numpy()


def _columns(pictures: Pictures, start: int, stop: int) -> Float[Tensor, "images features"]:
    array = pictures.targets.tokens_array
    rows = rows_of(pictures.targets.image_ids, pictures.image_ids)
    return torch.from_numpy(array.reshape(len(array), -1)[rows, start:stop]).float()
