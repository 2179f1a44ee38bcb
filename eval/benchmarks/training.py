"""Times a training step each way beside the published one written plainly. All data are made up.

B=eval/benchmarks/training.py
python $B --work NEW --size small                     # minutes, 1 GB
python $B --work NEW --rounds 3                       # full width: 24 GB
python $B --work NEW --device cuda --batch 32 --steps 20 --variants ours-bfloat16
python $B --work NEW --size small --profile ours      # its costliest operators
python $B --floors                                    # of an H200

A step is forward, backward and update. Rounds are interleaved, each variant in a process of its
own; processor time on one core, medians over rounds; WORK/results.json is written after every one.
"""

import argparse
import json
import sys
from pathlib import Path

from mindeye.verbs.benchmarks.training_floors import floors
from mindeye.verbs.benchmarks.training_times import (
    Setting,
    costliest,
    measure,
    training_times,
    write_cache,
)
from mindeye.verbs.benchmarks.training_variants import SIZES, VARIANTS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="a new folder for results")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--width", type=int, help="of the shared latent, instead of the size's")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1, help="timed steps of a round")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--floors", action="store_true", help="print floors, measure nothing")
    parser.add_argument("--profile", choices=VARIANTS, help="list a variant's costliest operators")
    parser.add_argument("--cache", action="store_true", help="only write CLIP's tokens to WORK")
    parser.add_argument("--variant", choices=VARIANTS, help="measure this once and print JSON")
    given = parser.parse_args()
    if given.floors:
        for one in floors():
            print(*one.lines, sep="\n")
        return
    if given.work is None:
        parser.error("--work names the folder for results; only --floors needs none.")
    names = ("size", "width", "batch", "steps", "device")
    setting = Setting(**{name: getattr(given, name) for name in names})
    try:
        if given.cache:
            write_cache(setting, given.work)
        elif given.variant:
            print(json.dumps(measure(setting, given.variant, given.work)))
        else:
            given.work.mkdir(parents=True)
            if given.profile:
                write_cache(setting, given.work)
                print(*costliest(setting, given.profile, given.work), sep="\n")
                return
            for line in training_times(
                setting, given.variants, given.rounds, given.work, Path(__file__)
            ):
                print(line, flush=True)
    except (ValueError, OSError) as error:
        print(f"training.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
