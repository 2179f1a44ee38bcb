"""The benchmark on the screen: every number beside its chance, its null and its p."""

from collections.abc import Iterator, Sequence

from mindeye.report.retrieval_page import audit_notes
from mindeye.report.tables import aligned_lines, format_interval, format_number, format_rows
from mindeye.verbs.retrieval.retrieval_benchmark import Benchmark, as_json
from mindeye.verbs.retrieval.retrieval_scores import SHUFFLED, JudgedRow

HEADER = ("metric", "system", "value [95 % interval]", "n", "chance", "null [95 %]", "p", "q")
RIGHT = range(3, len(HEADER))


def table_lines(found: Benchmark) -> Iterator[str]:
    """Subjects first, their means last; then what may be claimed, floors, hubs, near duplicates."""
    yield from aligned_lines([HEADER, *_cells(found.ordered)], RIGHT)
    yield ""
    yield from (*found.texts, *found.limits)
    yield ""
    # The null in the table is the floor of shuffled scans; the page has floors of all pools.
    largest = {found.settings.sizes(len(one.image_ids))[-1] for one in found.scored}
    pools = {f" top-1 of {size}" for size in largest}
    yield format_rows(
        [
            row
            for row in found.controls
            if not row.system.startswith(SHUFFLED)
            and any(row.metric.partition(" (")[0].endswith(pool) for pool in pools)
        ]
    )
    yield ""
    yield from audit_notes(as_json(found)["subjects"])


def _cells(rows: Sequence[JudgedRow]) -> Iterator[tuple[str, ...]]:
    for metric in dict.fromkeys(one.row.metric for one in rows):
        members = [one for one in rows if one.row.metric == metric]
        arrow = "" if members[0].row.better == "higher" else " (lower is better)"
        for index, one in enumerate(members):
            row = one.row
            null = "-"
            if one.null is not None:
                middle, *ends = (format_number(value) for value in one.null)
                null = f"{middle} [{', '.join(ends)}]"
            yield (
                metric + arrow if index == 0 else "",
                row.system,
                format_interval(row),
                str(row.n),
                format_number(row.chance),
                null,
                *("-" if value is None else f"{value:.2g}" for value in (one.p, one.q)),
            )
