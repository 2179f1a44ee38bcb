"""A new subject with one session, after pre-training on four others and without: paired intervals.

python eval/benchmarks/subjects.py --work NEW              # three families of simulated subjects
python eval/benchmarks/subjects.py --work NEW --seeds 0    # one
python eval/benchmarks/subjects.py --work NEW --real-size  # made-up scans of NSD's sizes: memory

Killed and started again it goes on. WORK/new_subject.md is the table.
"""

import argparse
import json
from pathlib import Path

from mindeye.config import load_yaml
from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_rows
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks.new_subject import NewSubjectConfig, compare_new_subject
from mindeye.verbs.benchmarks.subjects_real_size import STAGES, memory_table, one_stage, real_size
from mindeye.verbs.progress import watch

CONFIGS = Path(__file__).parents[2] / "train" / "configs"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of all runs and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sessions", type=int, default=1, help="of the new subject, 1 to 10")
    parser.add_argument("--real-size", action="store_true", help="three steps of each training")
    parser.add_argument("--table", action="store_true", help="memory by counting, nothing is run")
    parser.add_argument("--config", type=Path, default=CONFIGS / "nsd_subjects.yaml")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.table:
        print("\n".join(memory_table(load_yaml(ExperimentConfig, arguments.config))))
        return
    if arguments.stage:
        print(json.dumps(one_stage(arguments.work, arguments.config, arguments.stage)))
        return
    if arguments.real_size:
        places = ["--work", str(arguments.work), "--config", str(arguments.config)]
        for line in real_size(arguments.work, [__file__, *places]):
            print(json.dumps(line))
        return
    rows = compare_new_subject(
        load_yaml(ExperimentConfig, CONFIGS / "simulated_subjects.yaml"),
        arguments.work,
        NewSubjectConfig(seeds=tuple(arguments.seeds), num_sessions=arguments.sessions),
        watch,
    )
    print(format_rows(rows))
    print(f"table: {arguments.work / 'new_subject.md'}")
    print(SIMULATED)


if __name__ == "__main__":
    main()
