"""`mindeye doctor`: its options, and what it says; imports nothing that is slow."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import Stages
from mindeye.verbs.shared_options import add_verb


def doctor_options(verbs) -> argparse.ArgumentParser:
    """`mindeye doctor`."""
    about = "say what a data set on disk has, lacks, and has wrong"
    verb = add_verb(verbs, "doctor", about, "mindeye doctor nsd ROOT --subject 1")
    verb.description = f"{about}. Exit code 0: all that is there is right. 2: something to mend."
    verb.add_argument("dataset", choices=["nsd"], help="the layout of the data set")
    verb.add_argument("root", type=Path, help="its folder, that which holds nsddata")
    verb.add_argument("--subject", type=int, help="its number (default: all that have files)")
    verb.add_argument("--json", action="store_true", help="for scripts")
    return verb


def perform_doctor(options: argparse.Namespace) -> Iterator[str]:
    """Examines, and says what was found; ends the program with 2 where something is to mend."""
    from mindeye.data.doctor.examine import examine_nsd
    from mindeye.verbs.doctor import as_json, as_table, exit_code

    found = examine_nsd(options.root, options.subject, Stages())
    yield as_json(found) if options.json else as_table(found)
    if exit_code(found):
        sys.exit(exit_code(found))
