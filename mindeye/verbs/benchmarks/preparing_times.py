"""How much memory it takes to prepare all 40 sessions of a subject of NSD's size."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from mindeye import nsd_layout as layout
from mindeye.data.prepare import prepare_nsd
from mindeye.disk import require_free_space
from mindeye.files import write_json
from mindeye.simulate.design import make_design
from mindeye.simulate.volumes import write_nifti
from mindeye.verbs.benchmarks.made_up_session import made_up_betas, regions, write_hdf5
from mindeye.verbs.benchmarks.other_process import told
from mindeye.verbs.benchmarks.reading_times import peak_mb

SUBJECT = 1
NUM_SESSIONS = layout.SESSIONS[SUBJECT]
PICTURE_SIDE = 8
NUM_BYTES = 3 * 10**9


def write_tree(work: Path, seed: int = 0) -> None:
    """Subject 1's true grid and number of sessions, made up: every session is the same file.

    42 GB of different sessions would prove nothing more: each is read, z-scored and written anew.
    """
    root = work / "tree"
    require_free_space(work, NUM_BYTES, "One session and the shards of 40")
    brain, mask = regions()
    _write(root / layout.SIMULATED_FILE, lambda path: write_json(path, {"benchmark": True}))
    values = np.where(mask, 1.0, np.where(brain, 0.0, layout.ROI_NOT_CORTEX))
    write_nifti(root / layout.roi_path(SUBJECT, "nsdgeneral"), values)
    design = make_design("nsd", layout.NUM_SESSIONS, seed=seed)
    names = ("masterordering", "subjectim", "sharedix", "stimpattern")
    arrays = {name: np.atleast_2d(getattr(design, name)) for name in names}
    _write(root / layout.expdesign_path(), lambda path: scipy.io.savemat(path, arrays))
    _write(root / layout.stimuli_path(), _write_pictures)
    first = root / layout.betas_path(SUBJECT, 1, "hdf5")
    betas = made_up_betas(brain, np.random.default_rng(seed))
    _write(first, lambda path: write_hdf5(path, brain, betas))
    for session in range(2, NUM_SESSIONS + 1):
        os.link(first, root / layout.betas_path(SUBJECT, session, "hdf5"))


def measure_preparing(work: Path) -> dict[str, float]:
    """Prepares everything; to be called in a process of its own.

    Returns:
        Seconds, the number of trials, the size of what was written, and this process's peak before
        the first session, after it, after half of them and in the end.
    """
    out, peak_after = work / "prepared", {0: peak_mb()}

    def watched(stage: str, done: int, total: int) -> None:
        if stage == "trials":
            peak_after[done // layout.TRIALS_PER_SESSION] = peak_mb()

    began = time.perf_counter()
    prepare_nsd(work / "tree", subject=SUBJECT, out=out, progress=watched)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "trials": max(peak_after) * layout.TRIALS_PER_SESSION,
        "written_mb": sum(one.stat().st_size for one in out.rglob("*") if one.is_file()) / 1e6,
        "peak_mb_before": peak_after[0],
        "peak_mb_after_first": peak_after[1],
        "peak_mb_after_half": peak_after[NUM_SESSIONS // 2],
        "peak_mb": peak_mb(),
    }


def preparing_sentence(seen: Mapping[str, float]) -> str:
    """What `measure_preparing` found, for the screen."""
    return (
        f"{seen['trials']:,} trials of {NUM_SESSIONS} sessions in "
        f"{seen['seconds'] / 60:.1f} minutes, {seen['written_mb']:,.0f} MB written; at most "
        f"{seen['peak_mb']:.0f} MB ({seen['peak_mb_before']:.0f} before the first session, "
        f"{seen['peak_mb_after_first']:.0f} after it, {seen['peak_mb_after_half']:.0f} after half "
        "of them)"
    )


def _write(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)


def _write_pictures(path: Path) -> None:
    """Gray, and tiny: pictures are copied block by block."""
    shape = (layout.NUM_IMAGES, PICTURE_SIDE, PICTURE_SIDE, 3)
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", shape, np.uint8, fillvalue=layout.BACKGROUND_GRAY)


STEPS: Mapping[str, Callable[..., object]] = {"write": write_tree, "prepare": measure_preparing}


def benchmark(command: Sequence[str], rounds: int) -> Iterator[str]:
    """One line; `command` is followed by one of `STEPS`. Once, whatever `rounds`."""
    told([*command, "write"])
    yield preparing_sentence(told([*command, "prepare"]))
