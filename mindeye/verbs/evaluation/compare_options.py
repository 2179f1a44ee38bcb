"""`mindeye compare`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.report.banner import SIMULATED
from mindeye.verbs.shared_options import add_seed, add_verb


def compare_options(verbs) -> argparse.ArgumentParser:
    """`mindeye compare`."""
    about = "put evaluations side by side, with paired differences and pictures"
    example = "mindeye compare strong=scores/a weak=scores/b --out comparison"
    verb = add_verb(verbs, "compare", about, example)
    what = "folders that `mindeye evaluate` wrote into; NAME=FOLDER gives it a name"
    verb.add_argument("evaluations", nargs="+", metavar="A", help=what)
    out = "folder of comparison.html, .json, .tsv, .md and .tex (default: mindeye-comparison)"
    verb.add_argument("--out", type=Path, default=Path("mindeye-comparison"), help=out)
    verb.add_argument("--reference", metavar="NAME", help="compare all with this; default: pairs")
    people = "compare although the subjects differ"
    verb.add_argument("--across-subjects", action="store_true", help=people)
    mixed = "compare simulated with real scans"
    verb.add_argument("--simulated-with-real", action="store_true", help=mixed)
    add_seed(verb, "of the bootstrap, the tests and the images that are shown")
    return verb


def perform_compare(options: argparse.Namespace) -> Iterator[str]:
    """Compares, and says what came of it."""
    from mindeye.report.text_tables import as_plain_text
    from mindeye.verbs.evaluation.compare import NAME, compare_evaluations, tables_of
    from mindeye.verbs.evaluation.evaluated import Allowed

    allowed = Allowed(
        across_subjects=options.across_subjects, simulated_with_real=options.simulated_with_real
    )
    found = compare_evaluations(
        options.evaluations,
        options.out,
        allowed=allowed,
        reference=options.reference,
        seed=options.seed,
    )
    for table in tables_of(found)[:2]:
        yield f"{as_plain_text(table)}\n"
    yield from (f"note: {note}" for note in found.notes)
    yield f"page: {options.out / NAME}.html"
    if found.simulated is not None:
        yield SIMULATED
