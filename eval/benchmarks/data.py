"""Times of NSD's data at subject 1's true size: made-up betas, everything removed at the end.

python eval/benchmarks/data.py --work NEW                    # read one session; 1.5 GB, minutes
python eval/benchmarks/data.py --work NEW --part feeding     # feed a training; 0.9 GB, a minute
python eval/benchmarks/data.py --work NEW --part preparing   # prepare 40 sessions; 2.1 GB, minutes

Each measurement is a process of its own. Cold: the system's page cache was emptied of the file and
looked at; what the disk or a host of this machine keeps cannot be seen. Warm: at once again.
"""

import argparse
import json
import shutil
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="a new folder for made-up files")
    parser.add_argument("--part", choices=["reading", "feeding", "preparing"], default="reading")
    parser.add_argument("--rounds", type=int, default=5, help="of reading")
    parser.add_argument("--step", nargs="+", help="do this alone and print what it says as JSON")
    arguments = parser.parse_args()
    # What a process imports is part of its memory: each part imports its own.
    if arguments.part == "reading":
        from mindeye.verbs.benchmarks import reading_times as part
    elif arguments.part == "feeding":
        from mindeye.verbs.benchmarks import feeding_times as part
    else:
        from mindeye.verbs.benchmarks import preparing_times as part
    if arguments.step:
        name, *rest = arguments.step
        print(json.dumps(part.STEPS[name](arguments.work, *rest)))
        return
    if arguments.work.exists():
        parser.error(f"{arguments.work} exists and would be removed. Name a new folder.")
    command = [__file__, "--work", str(arguments.work), "--part", arguments.part, "--step"]
    try:
        for line in part.benchmark(command, arguments.rounds):
            print(line)
    finally:
        shutil.rmtree(arguments.work, ignore_errors=True)


if __name__ == "__main__":
    main()
