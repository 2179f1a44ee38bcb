"""Coverage of the 95 % intervals where the truth is known, and the speed of the bootstrap.

OMP_NUM_THREADS=1 python eval/benchmarks/intervals.py            # minutes on one core
OMP_NUM_THREADS=1 python eval/benchmarks/intervals.py --data-sets 500 --resamples 2000

Shapes marked `limit` are known to be too much for so few images or subjects: shown, not counted.
"""

import argparse

from mindeye.verbs.benchmarks.interval_coverage import bootstrap_seconds, coverages
from mindeye.verbs.progress import watch

LOWEST, HIGHEST = 0.93, 0.97


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[100, 982])
    parser.add_argument("--data-sets", type=int, default=5000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    outside = 0
    settings = {"data_sets": arguments.data_sets, "resamples": arguments.resamples}
    for one in coverages(
        arguments.images, seed=arguments.seed, progress=watch("coverage"), **settings
    ):
        inside = LOWEST <= one.covered <= HIGHEST
        outside += not inside and not one.beyond
        verdict = "limit" if one.beyond else "ok" if inside else "OUTSIDE"
        print(
            f"{one.num_images:5d}  {one.covered:.4f} +- {one.standard_error:.4f}  "
            f"(below {one.below:.3f}, above {one.above:.3f})  {verdict:7s}  {one.shape}"
        )
    print(f"{outside} outside of {LOWEST} to {HIGHEST}")
    for num_images in (1000, 982):
        seconds = bootstrap_seconds(12, num_images, 10_000)
        print(f"10,000 resamples of 12 metrics over {num_images} images: {seconds:.2f} s")


if __name__ == "__main__":
    main()
