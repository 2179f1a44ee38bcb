"""Rows that filters leave, at their limits and across blocks of metadata."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.retrieval.gallery.sources import filters
from mindeye.retrieval.gallery.sources.filters import GalleryFilters, kept_rows


@pytest.fixture
def judged(tmp_path):
    """Columns and filters -> rows that are left, and what each filter has dropped."""

    def judge(columns, **given):
        path = tmp_path / "table.parquet"
        parquet.write_table(pa.table(columns), path)
        count = len(next(iter(columns.values())))
        kept = kept_rows(path, count, GalleryFilters(**given), must_know_safety=False)
        return kept.rows.tolist(), kept.dropped

    return judge


def test_what_is_just_at_a_limit_passes(judged):
    assert judged({"punsafe": [0.4, 0.5, 0.6]})[0] == [0, 1]
    columns = {"similarity": [0.29, 0.3, 0.31], "pwatermark": [0.8, 0.8, 0.81]}
    assert judged(columns, min_similarity=0.3, max_watermark=0.8)[0] == [1]


def test_a_row_that_several_refuse_counts_for_the_first(judged):
    columns = {"punsafe": [0.9, 0.9, 0.1], "pwatermark": [0.9, 0.1, 0.9]}
    assert judged(columns, max_watermark=0.5) == ([], {"unsafe": 2, "watermark": 1})


def test_rows_of_later_blocks_keep_their_numbers(judged, monkeypatch):
    monkeypatch.setattr(filters, "BLOCK", 3)
    unsafe = [0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1]
    assert judged({"punsafe": unsafe}) == ([0, 2, 4, 6], {"unsafe": 3})


def test_a_probability_says_more_than_a_word_and_capitals_nothing(judged):
    both = {"NSFW": ["UNLIKELY", "NSFW"], "PUnsafe": [0.9, 0.1]}
    assert judged(both)[0] == [1]
    assert judged({"nsfw": [" Unlikely ", "UNSURE"]})[0] == [0]


@pytest.mark.parametrize("name", ["max_unsafe", "max_watermark"])
def test_what_is_no_probability_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is -0.1, a probability"):
        GalleryFilters(**{name: -0.1})


@pytest.mark.parametrize("value", [float("nan"), 1.5])
def test_what_is_no_cosine_is_refused(value):
    with pytest.raises(ValueError, match=f"min_similarity is {value}, a cosine"):
        GalleryFilters(min_similarity=value)


def test_a_source_without_metadata_is_kept_whole_where_nothing_is_asked_of_it():
    every = GalleryFilters(keep_unsafe=True)
    kept = kept_rows(None, 4, every, must_know_safety=True)
    assert (kept.rows == np.arange(4)).all()
    with pytest.raises(LookupError, match="which has no metadata, says nothing of safety"):
        kept_rows(None, 4, GalleryFilters(), must_know_safety=True)
