"""Kills a small training at random moments (kill -9) and resumes it: does it end in the same bits?

python eval/benchmarks/survival.py --work NEW              # ten kills, minutes on a CPU

Moments are drawn from a seed and spread over embedding the targets, the beginning, steps, the
writing of a checkpoint and of the final weights. The folder is removed at the end.
"""

import argparse
import shutil
from pathlib import Path

from mindeye.verbs.benchmarks.survival import benchmark


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="a new folder")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    if arguments.work.exists():
        parser.error(f"{arguments.work} exists and would be removed. Name a new folder.")
    try:
        for line in benchmark(arguments.work, arguments.kills, arguments.seed):
            print(line, flush=True)
    finally:
        shutil.rmtree(arguments.work, ignore_errors=True)


if __name__ == "__main__":
    main()
