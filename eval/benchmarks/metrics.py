"""Times the field's metrics beside the published loops, and measures the memory of many pictures.

OMP_NUM_THREADS=1 python eval/benchmarks/metrics.py --work NEW      # half an hour, 4 GB
python eval/benchmarks/metrics.py --work NEW --memory               # 3,000 pictures: 9 GB of disk

Made-up values; interleaved rounds, each in a process of its own; processor time on one core.
"""

import argparse
import json
import shutil
from pathlib import Path

from mindeye.verbs.benchmarks.metric_times import measure, metric_times
from mindeye.verbs.progress import watch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="a new folder; removed at the end")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure memory, not times")
    parser.add_argument("--images", type=int, default=3000, help="pictures for --memory")
    parser.add_argument("--metric", help="with --way: measure this once and print it as JSON")
    parser.add_argument("--way")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.work, arguments.metric, arguments.way)))
        return
    if arguments.work.exists():
        parser.error(f"{arguments.work} exists and would be removed. Name a new folder.")
    try:
        if arguments.memory:
            arguments.work.mkdir(parents=True)
            # Only here, so that what is timed loads no more than it needs.
            from mindeye.verbs.benchmarks.metric_memory import measure_memory

            print(json.dumps(measure_memory(arguments.work, arguments.images)))
            return
        for one in metric_times(arguments.work, Path(__file__), arguments.rounds, watch("measure")):
            print(f"{one.describe()}{'' if one.passes else ' - BAR MISSED'}")
    finally:
        shutil.rmtree(arguments.work, ignore_errors=True)


if __name__ == "__main__":
    main()
