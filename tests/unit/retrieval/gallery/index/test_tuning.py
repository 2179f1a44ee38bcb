"""How many probes are enough, and with which queries that is measured."""

import numpy as np

from mindeye.retrieval.gallery.index.tuning import Measured, enough, made_up_queries


def table(*recalls):
    return iter(
        [
            Measured(probes=2**place, candidates=32, recall=recall, ms_per_query=1.0)
            for place, recall in enumerate(recalls)
        ]
    )


def test_the_first_setting_that_is_enough_is_chosen_and_what_more_would_give_is_shown():
    chosen, reached, seen = enough(table(0.5, 0.95, 0.96, 0.94, 0.99, 1.0), 0.95)
    assert (chosen.probes, reached) == (2, True)
    # As far as four times its probes.
    assert [row.probes for row in seen] == [1, 2, 4, 8]


def test_where_none_is_enough_the_best_is_taken_and_that_is_said():
    chosen, reached, seen = enough(table(0.5, 0.9, 0.8), 0.95)
    assert (chosen.probes, reached, len(seen)) == (2, False, 3)


def test_made_up_queries_are_as_far_as_they_say_from_vectors_that_can_be_found(gallery_of):
    gallery = gallery_of(counts=(40, 40), kept={0: range(5)})
    queries = made_up_queries(gallery, 20, seed=0, cosine=0.8)
    rows = np.array([*range(5), *range(40, 80)])
    cosines = queries @ gallery.vectors(rows).T
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    # Of every query one vector has just that cosine, up to the length that float16 leaves it.
    assert (np.abs(cosines - 0.8).min(1) < 1e-3).all()
    assert (queries != made_up_queries(gallery, 20, seed=1, cosine=0.8)).any()


def test_queries_are_drawn_among_what_can_be_found(gallery_of):
    gallery = gallery_of(counts=(400,), kept={0: range(3)})
    queries = made_up_queries(gallery, 20, seed=0)
    assert len(queries) == 3
