"""What nsdsynthetic and nsdimagery need beside their betas to test a run."""

from mindeye.data.doctor.check import Check, absent, compared, guarded
from mindeye.data.nsd import NSDTree
from mindeye.data.stimuli import num_synthetic_pictures
from mindeye.data.transfer.imagery import RUN_PREFIX_OF, imagery_sources, imagery_trials
from mindeye.nsd_experiments import (
    NUM_SYNTHETIC_IMAGES,
    NUM_SYNTHETIC_SHARED,
    synthetic_stimuli_paths,
)


def transfer_checks(tree: NSDTree, subject: int, experiment: str) -> list[Check]:
    """Pictures and tables of one experiment, for a tree that has betas of it."""
    name = f"what {experiment} showed"
    if experiment == "nsdsynthetic":
        paths = synthetic_stimuli_paths(subject)
    else:
        of_tasks = [imagery_sources(subject, task, []) for task in RUN_PREFIX_OF]
        paths = tuple(dict.fromkeys(path for one in of_tasks for path in one))
    lost = [path for path in paths if not (tree.root / path).exists()]
    if lost:
        return [absent(name, lost, subject)]

    def look() -> list[Check]:
        if experiment == "nsdsynthetic":
            seen = tuple(num_synthetic_pictures(tree.root / path) for path in paths)
            wanted = (NUM_SYNTHETIC_SHARED, NUM_SYNTHETIC_IMAGES - NUM_SYNTHETIC_SHARED)
            shown = (f"{shared} shared pictures, {own} own" for shared, own in (seen, wanted))
            return [compared(name, *shown, seen == wanted, subject)]
        trials = {task: imagery_trials(tree, subject, task) for task in RUN_PREFIX_OF}
        counts = ", ".join(f"{len(one.rows)} trials of {task}" for task, one in trials.items())
        targets = len(next(iter(trials.values())).stimuli)
        return [compared(name, f"{targets} targets, {counts}", "readable", True, subject)]

    return guarded(name, look, subject)
