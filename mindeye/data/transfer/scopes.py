"""Whose trials give mean and standard deviation where there is no training trial."""

import numpy as np
from jaxtyping import Float32, Int

from mindeye.data.transfer.trials import TransferTrials
from mindeye.data.zscore import ZSCORE_SCOPES, Statistics, require_usable, statistics_of
from mindeye.nsd_experiments import IMAGERY_RUNS

SCOPES_OF: dict[str, tuple[str, ...]] = {
    "nsd-synthetic": ("session-all", "none"),
    "nsd-imagery": ("run-all", "session-all", "none"),
}
"""Protocol -> scopes, the default first.

`session-all`: all betas of the session, as the authors of nsdsynthetic do. `run-all`: all betas
of the same run, as MindEye_Imagery does (ddof 1). Both use the test trials all at once. `none`
leaves percent signal change, for runs that were trained on it.
"""
DEFAULT_SCOPE_OF = {protocol: scopes[0] for protocol, scopes in SCOPES_OF.items()}


def require_scope(protocol: str, zscore: str) -> None:
    """Refuses what cannot be, and says why.

    Raises:
        LookupError: unknown scope.
        ValueError: a scope that needs training trials, or runs of one kind.
    """
    allowed = SCOPES_OF[protocol]
    if zscore in allowed:
        return
    advice = f"Take {' or '.join(allowed)}; all but none see the test, and the manifest says so."
    if zscore in ("session-train", "train-global"):
        raise ValueError(
            f"{protocol} only tests: it has no training trials that {zscore} could take. {advice}"
        )
    if zscore == "run-all":
        raise ValueError(
            f"The runs of {protocol} show different kinds of pictures, and run-all would remove "
            f"how they differ. {advice}"
        )
    known = ", ".join(dict.fromkeys((*ZSCORE_SCOPES, "run-all")))
    raise LookupError(f"Unknown z-score scope `{zscore}`. There are {known}. {advice}")


def statistics_by_scope(
    zscore: str,
    experiment: str,
    betas: Float32[np.ndarray, "betas voxels"],
    trials: TransferTrials,
) -> tuple[dict[str, Statistics], Int[np.ndarray, "trials"]]:
    """Name -> statistics, and which of them each trial takes.

    Raises:
        ValueError: too many voxels without variance.
    """
    if zscore != "run-all":
        found = {experiment: statistics_of(betas, np.ones(len(betas), dtype=bool))}
        require_usable(found[experiment], experiment)
        return found, np.zeros(len(trials.rows), dtype=np.int64)
    runs = np.unique(trials.runs).tolist()
    found = {}
    for run in runs:
        name = IMAGERY_RUNS[run - 1]
        found[name] = statistics_of(betas, trials.run_of_row == run)
        require_usable(found[name], f"{experiment} run {name}")
    return found, np.searchsorted(runs, trials.runs)
