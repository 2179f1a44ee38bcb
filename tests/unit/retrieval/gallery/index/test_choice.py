"""Which index a gallery gets."""

import pytest

from mindeye.retrieval.gallery.index.choice import choose_index, default_lists

GB = 10**9


def choice(num_vectors, **given):
    return choose_index(num_vectors, 768, **{"recall": 0.95, "memory": 8 * GB, **given})


@pytest.mark.parametrize(
    ("num_vectors", "recall", "kind"),
    [
        (100_000, 0.95, "exact"),
        (100_001, 0.95, "ivf-rabitq"),
        (300_000, 0.99, "hnsw"),
        (1_000_000, 0.99, "ivf-rabitq"),
    ],
)
def test_size_and_recall_choose(num_vectors, recall, kind):
    assert choice(num_vectors, recall=recall).kind == kind


def test_a_graph_that_does_not_fit_in_memory_is_not_chosen():
    assert choice(300_000, recall=0.99, memory=1_480_000_000).kind == "ivf-rabitq"


def test_a_million_and_ten_stay_below_130_bytes_a_vector_and_8_gb():
    for millions, lists in ((1, 4096), (10, 8192)):
        found = choice(millions * 10**6)
        assert found.lists == lists
        assert found.bytes_per_vector <= 130
        assert found.memory <= 8 * GB


def test_less_memory_means_fewer_lists():
    full, little = choice(10**7), choice(10**7, memory=1_800_000_000)
    assert little.lists < full.lists
    assert little.memory <= 1_800_000_000
    assert "memory" in little.reason


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"takes .* GB of memory, but 0.1 GB are allowed"):
        choice(10**7, memory=10**8)
    with pytest.raises(ValueError, match=r"recall of 95.* at most 1"):
        choice(10**7, recall=95)
    with pytest.raises(ValueError, match=r"recall of 0 is asked for"):
        choice(10**7, recall=0)
    for lists in (300, 0):
        with pytest.raises(ValueError, match=rf"{lists} lists .* 200 vectors"):
            choice(200, kind="ivf-pq", lists=lists)
    # As many lists as were asked for, or none.
    with pytest.raises(ValueError, match=r"but 1\.8 GB are allowed"):
        choice(10**7, lists=8192, memory=1_800_000_000)


def test_what_is_told_is_what_its_parts_come_to():
    found = choice(10**6)
    # A bit a number, two factors and a row number; centroids and a rotation in float32.
    assert found.bytes_per_vector == pytest.approx(96 + 8 + 8 + 4 * 768 * (4096 + 768) / 1e6)
    assert found.sample == 40 * 4096
    # Ten rounds of the sample and all vectors against all lists; encoding at 80,000 a second.
    products = 2 * 768 * 4096 * (10**6 + 10 * 40 * 4096)
    assert found.minutes == pytest.approx((products / 5e11 + 12.5) / 60)
    # Words of codebooks are learnt too: 40 vectors for each of 256.
    assert choice(10**6, kind="ivf-pq", lists=16).sample == 40 * 256


def test_lists_grow_with_the_root_of_the_vectors():
    assert [default_lists(10**n) for n in (5, 6, 7)] == [1024, 4096, 8192]
    assert default_lists(5_850_000_000) == 262_144
    assert default_lists(1) == 4
