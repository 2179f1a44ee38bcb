"""Token heads of fewer weights beside the dense one: what they cost, and how well they decode.

python eval/benchmarks/token_heads.py --costs                                 # counts; seconds
OMP_NUM_THREADS=1 python eval/benchmarks/token_heads.py --costs --rounds 5    # and times; 8 GB
OMP_NUM_THREADS=1 python eval/benchmarks/token_heads.py --work NEW            # trainings; hours
... --work NEW --heads dense "rank 600 of dense"    # 15 minutes a seed on one CPU core

Killed and started again, the trainings go on. WORK/comparison.md holds their table.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from mindeye.config import load_yaml
from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_rows
from mindeye.report.text_tables import as_markdown
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks.compare_recipes import ComparisonConfig, compare_recipes
from mindeye.verbs.benchmarks.token_head_costs import (
    cost_table,
    full_size_systems,
    head_times,
    measure_head,
)
from mindeye.verbs.benchmarks.token_heads import (
    COMPACTED,
    DENSE,
    HEADS,
    MINDEYE1_TOKENS,
    WIDTH,
    compacted_start,
    recipes_of,
)
from mindeye.verbs.progress import watch

CONFIGS = Path(__file__).parents[2] / "train" / "configs"
FULL_SIZE = ("mindeye1_subj01.yaml", "mindeye2_finetune_40_sessions.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--work", type=Path, help="train: folder of all runs and results")
    what.add_argument("--costs", action="store_true", help="count at full size")
    what.add_argument("--measure", metavar="HEAD", help="measure this head and print JSON")
    parser.add_argument("--rounds", type=int, default=0, help="with --costs: measure so often")
    parser.add_argument("--width", type=int, default=WIDTH, help="of what is measured")
    parser.add_argument("--preset", default="nsd-like", help="of the simulated subjects")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    heads = "compare these with the dense one (default: all)"
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS), help=heads)
    parser.add_argument("--images", type=int, default=100, help="test images to draw")
    arguments = parser.parse_args()
    size = arguments.width, arguments.rounds
    if arguments.measure:
        print(json.dumps(asdict(measure_head(arguments.measure, MINDEYE1_TOKENS, *size))))
        return
    if arguments.costs:
        times = head_times(Path(__file__), *size, watch("measure")) if arguments.rounds else {}
        configs = (load_yaml(ExperimentConfig, CONFIGS / name).decoder for name in FULL_SIZE)
        mindeye1, mindeye2 = full_size_systems(*configs)
        tables = [cost_table(mindeye1, times), cost_table(mindeye2, {})]
        print(as_markdown(tables, "# Token heads at full size"))
        return
    config = ComparisonConfig(
        preset=arguments.preset,
        seeds=tuple(arguments.seeds),
        num_images=arguments.images,
        reference=DENSE,
    )
    recipes = recipes_of(load_yaml(ExperimentConfig, CONFIGS / "simulated.yaml"))
    rank = recipes[COMPACTED].decoder.token_head.rank
    chosen = {name: one for name, one in recipes.items() if name in (DENSE, *arguments.heads)}
    starts = {COMPACTED: lambda place: compacted_start(place, rank)}
    print(format_rows(compare_recipes(chosen, arguments.work, config, watch, starts)))
    print(f"table: {arguments.work / 'comparison.md'}")
    print(SIMULATED)


if __name__ == "__main__":
    main()
