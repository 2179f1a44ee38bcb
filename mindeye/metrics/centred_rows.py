"""Rows of features without their means, as few of them copied as can be."""

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.metrics.feature_rows import FeatureRows, MemoryRows
from mindeye.row_products import ready_rows, room_like

# Features whose squares are summed at a time: longer sums in single precision are less exact.
COLUMNS = 8192
# Rows stay as they are where the mean makes up to this share of their squares: single precision
# then loses a third of a digit at most.
MEAN_SHARE = 0.8


class _LastReady:
    """Keeps the last block of all rows as it is multiplied: often it is the only one."""

    _columns: slice | None = None

    def ready(self, columns: slice) -> Tensor:
        """All rows, as `rough_row_products` wants its second ones. Valid until the next call."""
        if self._columns != columns:
            self._ready, self._columns = ready_rows(self.block(slice(None), columns)), columns
        return self._ready


class CentredRows(_LastReady):
    """Blocks of rows without their means, each in the memory of the one before.

    Fresh memory costs more than the subtraction, and the last block is often asked for again.
    """

    def __init__(self, values: FeatureRows, norms: Float[Tensor, "rows"] | None = None) -> None:
        self.values = values
        self.norms = norms
        """Where they are known before; such rows are also known to be sound."""
        self._asked: tuple[slice, slice] | None = None
        self._block = torch.empty(0)

    def block(self, rows: slice, columns: slice) -> Float[Tensor, "rows columns"]:
        """Valid until the next call."""
        if self._asked != (rows, columns):
            block = self.values.block(rows, columns)
            if self._block.shape != block.shape or self._block.dtype != block.dtype:
                self._block = room_like(block)
            torch.sub(block, self.values.means[rows], out=self._block)
            self._asked = (rows, columns)
        return self._block


class RawRows(_LastReady):
    """Rows with their means, which drop out of products with centred rows: none is copied."""

    def __init__(self, values: FeatureRows, norms: Float[Tensor, "rows"]) -> None:
        self.values = values
        self.norms = norms
        """Of the centred rows, which are known to be sound."""

    def block(self, rows: slice, columns: slice) -> Float[Tensor, "rows columns"]:
        """As they are."""
        return self.values.block(rows, columns)


def centred_sides(
    first: FeatureRows, second: FeatureRows
) -> tuple[CentredRows, CentredRows | RawRows]:
    """Two sets of rows whose products with each other are those of centred rows.

    Only the first is centred where no mean of either is large beside the spread: the sum of a
    centred row is no exact zero, and a large mean on the other side would bring that out.
    """
    norms = [_mild_norms(one) for one in (first, second)]
    if norms[0] is None or norms[1] is None:
        return CentredRows(first), CentredRows(second)
    return CentredRows(first, norms[0]), RawRows(second, norms[1])


def _mild_norms(values: FeatureRows) -> Float[Tensor, "rows"] | None:
    """Norms of the centred rows; None where a mean is large, or a value is not finite."""
    if not isinstance(values, MemoryRows):  # to read a file once more would cost more than it saves
        return None
    num_rows, num_features = values.shape
    squares = torch.zeros(num_rows, dtype=torch.float64, device=values.means.device)
    for start in range(0, num_features, COLUMNS):
        block = values.block(slice(None), slice(start, start + COLUMNS))
        squares += torch.linalg.vector_norm(block, dim=1).double().square()
    of_means = num_features * values.means[:, 0].double().square()
    mild = of_means <= MEAN_SHARE * squares  # false for NaN
    if not (mild & squares.isfinite() & (squares > 0)).all():
        return None
    return (squares - of_means).sqrt()
