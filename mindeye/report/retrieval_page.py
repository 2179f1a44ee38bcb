"""The page of a retrieval benchmark, and its sections in the report of a run."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mindeye.report.page import FigureSection, ReportContent
from mindeye.report.retrieval_plots import Subjects, hub_curves, pool_curves, tenth_curves
from mindeye.types import MetricRow

INTERVALS = (
    "95 % intervals over images: BCa bootstrap, the same resamples for all metrics; percentiles "
    "for medians; exact binomial for hits. Means of subjects: Student's t over subjects, and n "
    "counts subjects. Floors of shuffled scans: mean and central 95 % of {null}."
)
NULLS = {"labels": "permuted labels", "blocks": "exchanged runs of the scanner"}


def benchmark_content(
    saved: Mapping[str, Any], rows: Sequence[MetricRow], controls: Sequence[MetricRow]
) -> ReportContent:
    """Of retrieval.json and the rows behind it."""
    subjects = saved["subjects"]
    sources = {
        one["label"]: {name: value for name, value in one["about"].items() if name != "simulated"}
        | {"quirks": ", ".join(one["quirks"]) or "none"}
        for one in subjects
    }
    return ReportContent(
        title="Retrieval benchmark",
        lead=" ".join(saved["limits"]),
        simulated=saved["simulated"],
        rows=rows,
        controls=controls,
        sections=benchmark_sections(subjects),
        notes=[*saved["texts"], *audit_notes(subjects)],
        provenance={"settings": saved["settings"], "sources": sources},
        intervals=INTERVALS.format(null=NULLS[saved["settings"]["null"]]),
    )


def benchmark_sections(subjects: Subjects) -> list[FigureSection]:
    """Figures of one or more subjects; near duplicates only where training images are known."""
    sections = [
        FigureSection(
            title="Pool size",
            words="Top-1, exact over all pools of each size, with 95 % intervals over images. "
            "Dashed: chance.",
            draw=partial(pool_curves, subjects),
        ),
        FigureSection(
            title="Hubs",
            words="Queries that the most-won items win in the pool of all. Dashed: every item "
            "wins once, as for a perfect decoder; the higher the line, the stronger the hubs.",
            draw=partial(hub_curves, subjects),
        ),
    ]
    if any(one["near_duplicates"]["training"] is not None for one in subjects):
        sections.append(
            FigureSection(
                title="Near duplicates",
                words="Accuracy by how alike the nearest training image is (cosine without the "
                "mean of the test images), test images in tenths; all of them stay in the pools. "
                "A line that rises rests on what training has seen.",
                draw=partial(tenth_curves, subjects),
            )
        )
    return sections


def audit_notes(subjects: Subjects) -> list[str]:
    """Hubs of each subject, and near duplicates, once for subjects of the same test images."""
    alike: dict[str, list[str]] = {}
    for one in subjects:
        for note in _near_duplicate_notes(one["near_duplicates"]):
            alike.setdefault(note, []).append(one["label"])
    many = len(subjects) > 1
    return [
        *(_hub_note(one) for one in subjects),
        *(
            f"{'All' if many and len(labels) == len(subjects) else '; '.join(labels)}: {note}"
            for note, labels in alike.items()
        ),
    ]


def _hub_note(subject: Mapping[str, Any]) -> str:
    """Hub statistics of both directions beside winners drawn at random."""
    parts = [
        f"{name}: the ten most-won items win {one['share_of_ten']:.3f} of the queries, skewness "
        f"{one['skewness']:.2f}, {one['never']:.3f} never win"
        for name, one in subject["hubs"].items()
    ]
    return f"Hubs of {subject['label']}. {'; '.join(parts)}."


def _near_duplicate_notes(found: Mapping[str, Any]) -> list[str]:
    """How alike test images are to others: cosine without what all of them share."""
    notes = []
    for name, where in (("pool", "another test image"), ("training", "a training image")):
        one = found[name]
        if one is None:
            notes.append("no training images were given, so that their duplicates are not known.")
            continue
        first = one["closest"][0]
        notes.append(
            f"likeness of a test image to {where}, median {one['median']:.3f}, most "
            f"{one['most']:.3f} (image {first['image_id']} with {first['other_id']}); "
            f"{one['share above']['0.9']:.3f} lie above 0.9."
        )
    return notes
