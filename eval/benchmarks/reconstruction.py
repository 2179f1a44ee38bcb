"""Times drawing, and measures what samplers of few steps give. Made-up or simulated data.

B=eval/benchmarks/reconstruction.py
python $B prior --out NEW                        # our sampling beside the published loop, minutes
python $B prior --out NEW --tokens 257 --width 768 --batch 256 --device cuda
python $B few-step --run RUN --out NEW           # samplers against the mean of many long runs

`prior` times random networks in interleaved rounds, on all cores; `few-step` takes a trained run.
OUT gets a JSON file of all that was measured.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from mindeye.verbs.benchmarks.few_step_prior import few_step_prior
from mindeye.verbs.benchmarks.prior_sampling_times import SamplingSetting, prior_sampling_times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("prior", "few-step"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--run", type=Path, help="of few-step: the run folder")
    parser.add_argument("--images", type=int, help="default: 64 of prior, all of few-step")
    parser.add_argument("--guidance", type=float, nargs="+", default=(3.0, 1.0), help="of few-step")
    parser.add_argument("--seed", type=int, default=0, help="of few-step: noise and images")
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=17, dest="num_tokens")
    for name, default in (("width", 64), ("depth", 6), ("steps", 100), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=0, help="on a CPU; default: its cores")
    pictures = "of prior: the published loop is timed on so many"
    parser.add_argument("--plain-pictures", type=int, default=16, help=pictures)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "few-step" and given.run is None:
        parser.error("few-step needs --run, the folder of a trained run.")
    shared = {field.name for field in fields(SamplingSetting)} - {"images"}
    setting = {name: getattr(given, name) for name in shared}
    try:
        if given.what == "prior":
            setting = SamplingSetting(images=given.images or 64, **setting)
            lines = prior_sampling_times(setting, given.rounds, given.out)
        else:
            lines = few_step_prior(
                given.run,
                given.out,
                guidances=given.guidance,
                num_images=given.images,
                seed=given.seed,
            )
        for line in lines:
            print(line, flush=True)
    except (ValueError, LookupError, OSError) as error:
        print(f"reconstruction.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
