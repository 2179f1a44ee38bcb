"""A new subject with one session, after pre-training on four others and without: paired intervals.

python eval/benchmarks/subjects.py --work NEW              # three families of simulated subjects
python eval/benchmarks/subjects.py --work NEW --seeds 0    # one

Killed and started again it goes on. WORK/new_subject.md is the table.
"""

import argparse
from pathlib import Path

from mindeye.config import load_yaml
from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_rows
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks.new_subject import NewSubjectConfig, compare_new_subject
from mindeye.verbs.progress import watch

RECIPE = Path(__file__).parents[2] / "train" / "configs" / "simulated_subjects.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of all runs and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sessions", type=int, default=1, help="of the new subject, 1 to 10")
    arguments = parser.parse_args()
    rows = compare_new_subject(
        load_yaml(ExperimentConfig, RECIPE),
        arguments.work,
        NewSubjectConfig(seeds=tuple(arguments.seeds), num_sessions=arguments.sessions),
        watch,
    )
    print(format_rows(rows))
    print(f"table: {arguments.work / 'new_subject.md'}")
    print(SIMULATED)


if __name__ == "__main__":
    main()
