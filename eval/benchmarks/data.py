"""Reads one NSD session of subject 1's true size, beside a bare reading of the same bytes.

python eval/benchmarks/data.py --work NEW      # 1.5 GB of disk, removed at the end; minutes

Made-up betas; page cache warm; medians of interleaved rounds, each in a process of its own.
"""

import argparse
import json
import shutil
from pathlib import Path

from mindeye.verbs.progress import watch
from mindeye.verbs.reading_times import WRITE, measure, reading_times, write_session


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="a new folder for the session")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", help="read once this way and print seconds and memory as JSON")
    arguments = parser.parse_args()
    if arguments.way == WRITE:
        write_session(arguments.work)
        return
    if arguments.way:
        print(json.dumps(measure(arguments.work, arguments.way)))
        return
    if arguments.work.exists():
        parser.error(f"{arguments.work} exists and would be removed. Name a new folder.")
    try:
        progress = watch("read")
        for one in reading_times(arguments.work, Path(__file__), arguments.rounds, progress):
            print(
                f"{one.form}: {one.seconds:.2f} s, {one.ratio:.2f} times a bare reading, "
                f"{one.peak_mb:.0f} MB"
            )
    finally:
        shutil.rmtree(arguments.work, ignore_errors=True)


if __name__ == "__main__":
    main()
