"""Builds small indexes, and measures them against exact search."""

import numpy as np
import pytest

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.index.build import IndexRequest, build_index, plan_index


@pytest.fixture
def chosen() -> IndexRequest:
    """What `build` builds unless it is told something else."""
    return IndexRequest(kind="ivf-rabitq", lists=16, num_queries=32)


@pytest.fixture
def build(chosen):
    """Builds an index of a gallery; gives its record."""

    def built(gallery, request=chosen, progress=lambda *told: None):
        return build_index(gallery, request, plan_index(gallery, request), progress)

    return built


@pytest.fixture
def recall():
    """Share of the exact neighbours that an index finds."""

    def measured(index, gallery, queries, k=16):
        found, true = index.search(queries, k), ExactIndex(gallery).search(queries, k)
        return np.mean([np.isin(*pair).mean() for pair in zip(found.rows, true.rows, strict=True)])

    return measured
