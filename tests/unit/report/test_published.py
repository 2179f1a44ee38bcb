"""The file of published rows: nothing without a source, and directions under their right names."""

import pytest

from mindeye.metrics.facts import METRIC_FACTS
from mindeye.report.published import COLUMNS, MARKS, published_cells, published_rows


def row_of(system, subjects, mark="P"):
    (row,) = (
        one
        for one in published_rows()
        if (one.system, one.subjects, one.mark) == (system, subjects, mark)
    )
    return row


def test_every_row_has_a_source_a_test_and_a_mark_that_is_not_memory():
    for row in published_rows():
        assert row.source
        assert "images" in row.test_set
        assert row.mark in MARKS
        numbers = [*row.values.values(), row.image_retrieval, row.brain_retrieval]
        assert any(one is not None for one in numbers)
        assert all(one is None or 0 < one < 1 for one in numbers)


def test_the_rows_of_mindeye2_are_those_of_its_table():
    """arXiv:2403.11207, Table 1, with identification in shares; retrieval as it means."""
    row = row_of("MindEye2", "1, 2, 5, 7")
    assert list(row.values.values()) == [0.322, 0.431, 0.961, 0.986, 0.954, 0.930, 0.619, 0.344]
    # Printed: image 98.8, brain 98.3.
    assert (row.image_retrieval, row.brain_retrieval) == (0.983, 0.988)


@pytest.mark.parametrize("rate", ["image_retrieval", "brain_retrieval"])
def test_the_mean_of_the_subjects_is_the_published_mean(rate):
    for system in ("MindEye2", "MindEye2, 1 hour"):
        subjects = [getattr(row_of(system, one), rate) for one in "1257"]
        assert sum(subjects) / 4 == pytest.approx(
            getattr(row_of(system, "1, 2, 5, 7"), rate), abs=1e-3
        )


def test_metrics_of_the_subjects_have_the_published_mean():
    for column in COLUMNS:
        subjects = [row_of("MindEye2", one).values[column] for one in "1257"]
        mean = row_of("MindEye2", "1, 2, 5, 7").values[column]
        assert sum(subjects) / 4 == pytest.approx(mean, abs=1e-3)


def test_columns_are_those_of_our_metrics():
    assert {facts.column for facts in METRIC_FACTS.values()} - {None} == set(COLUMNS)


def test_only_the_columns_that_are_asked_for_are_shown():
    header, cells = published_cells(["SSIM"])
    assert header[4:] == ["SSIM", "image retr.", "brain retr.", "mark", "source"]
    assert all(len(line) == len(header) for line in cells)
    assert "NeuroFlow" not in {line[0] for line in cells}  # it printed no SSIM
    assert "0.9996" in {line[header.index("brain retr.")] for line in cells}
