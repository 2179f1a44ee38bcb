"""Training recipes against each other on simulated subjects: three seeds, paired intervals.

python eval/benchmarks/compare_recipes.py --work NEW       # an hour and a half on one CPU core
python eval/benchmarks/compare_recipes.py --work NEW --preset tiny --seeds 0 --images 20

Killed and started again it goes on. WORK/comparison.md is the table that train/README.md shows.
"""

import argparse
from pathlib import Path

from mindeye.config import load_yaml
from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_rows
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks.compare_recipes import ComparisonConfig, compare_recipes
from mindeye.verbs.progress import watch

CONFIGS = Path(__file__).parents[2] / "train" / "configs"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of all runs and results")
    parser.add_argument("--preset", default="nsd-like", help="of the simulated subjects")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=100, help="test images to draw")
    arguments = parser.parse_args()
    files = {path.stem: path for path in sorted((CONFIGS / "compared").glob("*.yaml"))}
    files["ours"] = CONFIGS / "simulated.yaml"
    rows = compare_recipes(
        {name: load_yaml(ExperimentConfig, path) for name, path in files.items()},
        arguments.work,
        ComparisonConfig(
            preset=arguments.preset, seeds=tuple(arguments.seeds), num_images=arguments.images
        ),
        watch,
    )
    print(format_rows(rows))
    print(f"table: {arguments.work / 'comparison.md'}")
    print(SIMULATED)


if __name__ == "__main__":
    main()
