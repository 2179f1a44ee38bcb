"""Options of `mindeye doctor`; imports nothing that is slow."""

import argparse
from pathlib import Path


def doctor_options(verbs) -> argparse.ArgumentParser:
    """`mindeye doctor`."""
    about = "say what a data set on disk has, lacks, and has wrong"
    verb = verbs.add_parser(
        "doctor",
        help=about,
        description=f"{about}. Exit code 0: all that is there is right. 2: something to mend.",
        epilog="example:\n  mindeye doctor nsd ROOT --subject 1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    verb.add_argument("dataset", choices=["nsd"], help="the layout of the data set")
    verb.add_argument("root", type=Path, help="its folder, that which holds nsddata")
    verb.add_argument("--subject", type=int, help="its number (default: all that have files)")
    verb.add_argument("--json", action="store_true", help="for scripts")
    return verb
