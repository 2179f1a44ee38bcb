"""What stands in the place of neighbours that an index does not have."""

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.index.folder import open_index


def test_a_place_without_a_vector_is_never_before_one_that_is_unlike(gallery_of, clustered, build):
    build(gallery_of(num_shards=1, count=60))
    fewer = gallery_of(num_shards=1, count=60, kept={0: range(20)})
    index, queries = open_index(fewer), clustered.queries(10)
    index.probes, index.candidates = 16, 60
    found, exact = index.search(queries, 20), ExactIndex(fewer).search(queries, 20)
    assert (exact.scores[:, -1] < 0).any()
    assert (found.rows == exact.rows).all()
