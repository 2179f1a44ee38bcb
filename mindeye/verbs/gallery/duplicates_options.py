"""`mindeye gallery duplicates`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_verb

ABOVE = 0.98


def duplicates_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery duplicates`."""
    about = "of pictures that are the same, or alike to the network, let only the first be found"
    example = "mindeye gallery duplicates gallery --above 0.98"
    verb = add_verb(actions, "duplicates", about, example)
    verb.add_argument("gallery", type=Path, help="the folder of `mindeye gallery build`")
    cosine = f"cosine from which two are alike (default: {ABOVE})"
    verb.add_argument("--above", type=float, default=ABOVE, metavar="COSINE", help=cosine)
    every = "compare every pair also of more than a million, instead of asking the index"
    verb.add_argument("--exact", action="store_true", help=every)
    verb.add_argument("--undo", action="store_true", help="let all be found again")
    plan = "print pairs and hours, write nothing"
    verb.add_argument("--dry-run", action="store_true", help=plan)
    return verb


def perform_duplicates(options: argparse.Namespace) -> Iterator[str]:
    """Finds, undoes or plans; gives lines for the screen."""
    from mindeye.report.banner import SIMULATED
    from mindeye.verbs.gallery.duplicates import drop_duplicates, plan_duplicates, undo_duplicates

    if options.undo and (options.exact or options.dry_run):
        raise ValueError("--undo stands alone. Leave the other options out.")
    if options.dry_run:
        yield from plan_duplicates(options.gallery)
        return
    if options.undo:
        result = undo_duplicates(options.gallery)
    else:
        given = {"above": options.above, "exact": options.exact}
        result = drop_duplicates(options.gallery, **given, progress=watch("gallery duplicates"))
    yield from result.lines
    if result.simulated:
        yield SIMULATED
