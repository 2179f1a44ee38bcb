"""Systems side by side, and their differences, as text tables."""

from collections.abc import Mapping, Sequence

from mindeye.metrics.paired_systems import PairedDifference
from mindeye.report.tables import format_interval, format_number, rows_by_metric
from mindeye.report.text_tables import BEST, TextTable
from mindeye.types import MetricRow


def systems_table(rows: Sequence[MetricRow], words: str) -> TextTable:
    """Metrics as lines, systems as columns; the best mean of each metric is marked."""
    groups = rows_by_metric(rows)
    systems = [row.system for row in next(iter(groups.values()))]
    return TextTable(
        title="Systems",
        words=words,
        header=["metric", *systems, "chance", "images"],
        rows=[
            [
                metric if group[0].better == "higher" else f"{metric}, lower is better",
                *(format_interval(row) + (BEST if row is _best(group) else "") for row in group),
                format_number(group[0].chance),
                str(group[0].n),
            ]
            for metric, group in groups.items()
        ],
    )


def differences_table(
    differences: Sequence[PairedDifference], better: Mapping[str, str], words: str
) -> TextTable:
    """One line a metric and pair."""
    return TextTable(
        title="Paired differences",
        words=words,
        header=["metric", "pair", "difference", "p", "p adjusted", "first better on"],
        rows=[
            [
                one.metric,
                f"{one.first} minus {one.second}",
                _signed(one),
                format_p(one.p),
                format_p(one.adjusted_p),
                f"{100 * share_better(one, better[one.metric]):.0f} % of images",
            ]
            for one in differences
        ],
    )


def share_better(one: PairedDifference, better: str) -> float:
    """Share of images on which the first system is the better one."""
    return one.first_higher if better == "higher" else 1 - one.first_higher


def format_p(p: float) -> str:
    """Three decimals; what is below a thousandth only says so."""
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _best(group: Sequence[MetricRow]) -> MetricRow:
    pick = max if group[0].better == "higher" else min
    return pick(group, key=lambda row: row.value)


def _signed(one: PairedDifference) -> str:
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
