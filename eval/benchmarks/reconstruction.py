"""Times drawing, and measures what samplers of few steps give. Made-up or simulated data.

B=eval/benchmarks/reconstruction.py
python $B prior --out NEW                        # our sampling beside the published loop, minutes
python $B prior --out NEW --tokens 257 --width 768 --batch 256 --device cuda
python $B few-step --run RUN --out NEW           # samplers against the mean of many long runs
python $B whole --out NEW                        # images/s and stages, random networks, minutes
python $B whole --out NEW --real-size --device cuda --generator-dtype float16 --max-memory 120G
python $B memory --out NEW                       # counted; --device cuda measures

`prior` times random networks in interleaved rounds, on all cores; `few-step` takes a trained run.
`whole` and `memory` have random networks of the published classes: what they draw is noise.
OUT gets a JSON file of all that was measured.
"""

import argparse
import sys
from pathlib import Path

from mindeye.reconstruction.generators.execution import DTYPES
from mindeye.verbs.benchmarks.reconstruction_benchmarks import BENCHMARKS, benchmark_lines
from mindeye.verbs.drawing.batch_options import add_batch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--run", type=Path, help="of few-step: the run folder")
    parser.add_argument(
        "--images", type=int, help="default: 64 of prior, all of few-step, 4 of whole"
    )
    parser.add_argument("--guidance", type=float, nargs="+", default=(3.0, 1.0), help="of few-step")
    parser.add_argument("--seed", type=int, default=0, help="of few-step: noise and images")
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=17, dest="num_tokens")
    for name, default in (("width", 64), ("depth", 6), ("steps", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    add_batch(parser)
    published = "of whole: networks of MindEye1's sizes"
    parser.add_argument("--real-size", action="store_true", help=published)
    of_unet = "of whole (default float32) and memory (default float16)"
    parser.add_argument("--generator-dtype", choices=DTYPES, help=of_unet)
    parser.add_argument("--threads", type=int, default=0, help="on a CPU; default: its cores")
    pictures = "of prior: the published loop is timed on so many"
    parser.add_argument("--plain-pictures", type=int, default=16, help=pictures)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "few-step" and given.run is None:
        parser.error("few-step needs --run, the folder of a trained run.")
    try:
        for line in benchmark_lines(given):
            print(line, flush=True)
    except (ValueError, LookupError, OSError, MemoryError) as error:
        print(f"reconstruction.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
