import csv
import json

import pandas
import pytest

from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_rows, rows_as_records, write_rows_tsv
from mindeye.types import MetricRow


def row(system: str = "ours", metric: str = "PixCorr", **changes) -> MetricRow:
    values = {
        "value": 0.25,
        "low": 0.2,
        "high": 0.3,
        "n": 100,
        "chance": 0.0,
        "better": "higher",
    }
    return MetricRow(system=system, metric=metric, **{**values, **changes})


ROWS = [
    row(),
    row(
        "ours",
        "median rank",
        value=12.0,
        low=9.0,
        high=15.5,
        chance=50.5,
        better="lower",
    ),
    row("a longer name", chance=None),
]


def test_rows_are_grouped_by_metric_and_aligned():
    lines = format_rows(ROWS).splitlines()
    assert lines[0].split("  ")[0] == "metric"
    assert lines[2].startswith("PixCorr")
    assert "0.250 [0.200, 0.300]" in lines[2]
    assert lines[3].split()[:3] == ["a", "longer", "name"]
    assert lines[3].endswith("-")
    assert lines[4].startswith("median rank (lower is better)")
    assert "12.0 [9.000, 15.5]" in lines[4]
    starts = {line.index("[") for line in (lines[2], lines[3])}
    assert len(starts) == 1
    assert format_rows([]) == "(no rows)"


def test_tsv_holds_every_digit_and_an_empty_cell_without_chance(tmp_path):
    path = tmp_path / "rows.tsv"
    write_rows_tsv(path, [row(value=1 / 3), row("tab\there", chance=None)], simulated=None)
    with path.open() as stream:
        records = list(csv.DictReader(stream, delimiter="\t"))
    assert float(records[0]["value"]) == 1 / 3
    assert records[1]["chance"] == ""
    assert records[1]["system"] == "tab here"


@pytest.mark.parametrize("simulated", [{}, {"preset": "tiny"}])
def test_a_table_of_a_simulated_subject_begins_with_a_comment(simulated, tmp_path):
    path = tmp_path / "rows.tsv"
    write_rows_tsv(path, ROWS, simulated=simulated)
    assert path.read_text().splitlines()[0] == f"# {SIMULATED}"
    table = pandas.read_csv(path, sep="\t", comment="#")
    assert table["system"].tolist() == [one.system for one in ROWS]


def test_records_are_json():
    assert json.loads(json.dumps(rows_as_records(ROWS)))[2]["chance"] is None
