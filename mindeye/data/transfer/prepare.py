"""nsdsynthetic or nsdimagery -> a prepared folder that only tests."""

from pathlib import Path

import numpy as np

from mindeye import nsd_layout as layout
from mindeye.data.betas import require_percent_signal
from mindeye.data.nsd import SOURCES, NSDTree
from mindeye.data.nsd_spaces import Session
from mindeye.data.prepare import Progress
from mindeye.data.request import require_same_settings
from mindeye.data.roi import parse_roi
from mindeye.data.session_forms import require_same_betas
from mindeye.data.sources import fingerprints_of, region_paths, require_known_files
from mindeye.data.transfer.folder import TransferRead, write_transfer
from mindeye.data.transfer.imagery import imagery_sources, imagery_trials, require_task
from mindeye.data.transfer.scopes import DEFAULT_SCOPE_OF, require_scope, statistics_by_scope
from mindeye.data.transfer.synthetic import synthetic_sources, synthetic_trials
from mindeye.data.transfer.trials import EXPERIMENT_OF
from mindeye.data.zscore import zscored
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder

DEFAULT_TASK = "imagery"


def prepare_transfer(
    root: Path | str,
    *,
    subject: int,
    out: Path | str,
    protocol: str,
    task: str | None = None,
    roi: str = "nsdgeneral",
    beta_version: str = "b3",
    source: str = "auto",
    zscore: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Prepares the one session of nsdsynthetic or nsdimagery as a test; whole or not at all.

    Training and validation stay empty: a run that was trained on the same voxels decodes it.
    Returns at once if `out` was prepared from the same tree with the same settings.

    Args:
        protocol: `nsd-synthetic` or `nsd-imagery`.
        task: of nsd-imagery: `imagery` (the default) or `vision`.
        zscore: a key of `mindeye.data.transfer.scopes.SCOPES_OF`; None takes the protocol's first.

    Raises:
        FileNotFoundError: no tree, or a part of it is missing.
        LookupError: unknown subject, label, scope, task, protocol or version.
        ValueError: damaged or contradicting files, a scope that needs training trials, or `out`
            was prepared with other settings or from another tree.
        OSError: the disk is too small.
    """
    out, tree = Path(out), NSDTree(root)
    settings = _settings(tree, subject, protocol, task, roi, beta_version, zscore)
    if source not in SOURCES:
        raise LookupError(f"Unknown source `{source}`. Pick one of {', '.join(SOURCES)}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        manifest = require_same_settings(out, settings)
        names = list(manifest["stimuli"].values())
        found = _sources(tree, settings, names)
        require_known_files(out, f"tree than {tree.root}", manifest["sources"], found)
        return out
    read = _read(tree, settings, source)
    needed = read.betas.nbytes + 3 * 1024 * len(read.betas) + read.trials.pictures.nbytes
    require_free_space(out.parent, needed, f"Preparing {protocol} of subject {subject}")
    with atomic_folder(out) as folder:
        write_transfer(folder, read, progress or _silent)
    return out


def _settings(
    tree: NSDTree,
    subject: int,
    protocol: str,
    task: str | None,
    roi: str,
    beta_version: str,
    zscore: str | None,
) -> dict:
    parse_roi(roi)
    if protocol not in EXPERIMENT_OF:
        raise LookupError(
            f"`{protocol}` is no protocol that only tests. Pick one of {', '.join(EXPERIMENT_OF)}."
        )
    if protocol == "nsd-imagery":
        task = task or DEFAULT_TASK
        require_task(task)
    elif task is not None:
        raise ValueError(
            f"{protocol} has no tasks to choose from, but `{task}` was asked for. Leave it out."
        )
    zscore = zscore or DEFAULT_SCOPE_OF[protocol]
    require_scope(protocol, zscore)
    # Names subject and version first, where they are wrong.
    Session(subject, EXPERIMENT_OF[protocol], beta_version=beta_version).folder(layout.SPACE)
    return {
        "subject": subject,
        "space": layout.SPACE,
        "beta_version": beta_version,
        "roi": roi,
        "protocol": protocol,
        "task": task,
        "zscore": zscore,
        "sessions": [1],
        "seed": 0,
        "simulated": tree.simulated(),
    }


def _read(tree: NSDTree, settings: dict, source: str) -> TransferRead:
    subject, experiment = settings["subject"], EXPERIMENT_OF[settings["protocol"]]
    if settings["task"] is None:
        trials = synthetic_trials(tree, subject)
    else:
        trials = imagery_trials(tree, subject, settings["task"])
    roi, version = settings["roi"], settings["beta_version"]
    betas = tree.other_betas(experiment, subject, roi, source, version)
    require_percent_signal(betas, f"subj{subject:02d} {experiment}")
    mask = tree.mask(subject, roi)
    session = Session(subject, experiment, beta_version=version)
    require_same_betas(tree.paths_of(session, source=source)[0], betas, mask)
    statistics, of_row = statistics_by_scope(settings["zscore"], experiment, betas, trials)
    chosen = betas[trials.rows]
    if settings["zscore"] != "none":
        parts = zip(of_row.tolist(), chosen, strict=True)
        found = list(statistics.values())
        chosen = np.stack([zscored(one[None], found[number])[0] for number, one in parts])
    mean = betas[trials.rows].mean(0, dtype=np.float64).astype(np.float32)
    sources = _sources(tree, settings, [one.name for one in trials.stimuli])
    return TransferRead(tree, settings, mask, trials, chosen, mean, statistics, sources)


def _sources(tree: NSDTree, settings: dict, names: list[str]) -> dict[str, str]:
    subject, version = settings["subject"], settings["beta_version"]
    session = Session(subject, EXPERIMENT_OF[settings["protocol"]], beta_version=version)
    if settings["task"] is None:
        own = synthetic_sources(subject)
    else:
        own = imagery_sources(subject, settings["task"], names)
    forms = (path for form in SOURCES[1:] for path in session.paths(layout.SPACE, form))
    paths = (layout.stimuli_path(), *own, *forms, *region_paths(subject, version, settings["roi"]))
    return fingerprints_of(tree.root, paths)


def _silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""
