"""How long one NSD session takes to read, beside a bare reading of the same bytes."""

import gzip
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import h5py
import numpy as np
from jaxtyping import Bool

from mindeye.data.betas import read_session
from mindeye.data.roi import coordinates_of
from mindeye.nsd_layout import TRIALS_PER_SESSION
from mindeye.verbs.benchmarks.made_up_session import write_session
from mindeye.verbs.benchmarks.other_process import told
from mindeye.verbs.benchmarks.page_cache import make_cold
from mindeye.verbs.progress import watch

PIECE_BYTES = 1 << 20
COLD, WARM = "cold", "warm"
STATES = (COLD, WARM)
"""Of the system's page cache: empty of this file, or holding what is read."""


@dataclass(frozen=True, kw_only=True)
class ReadingTime:
    """One form read so many times, each in a process of its own."""

    form: str
    state: str
    """One of `STATES`."""
    seconds: float
    """Median."""
    bare_seconds: float
    peak_mb: float
    """Above that of a process that has imported everything and read nothing; the betas that are
    given back (750 x 15,724 float32: 47 MB) are in it."""

    @property
    def ratio(self) -> float:
        return self.seconds / self.bare_seconds


def read_bare_chunks(path: Path, mask: Bool[np.ndarray, "x y z"]) -> None:
    """Every wanted voxel's chunk, in the order of the file, and nothing done with it."""
    with h5py.File(path, "r") as file:
        read = file["betas"].id.read_direct_chunk
        for z, y, x in np.argwhere(mask.T).tolist():
            read((0, z, y, x))


def read_bare_stream(path: Path, mask: Bool[np.ndarray, "x y z"]) -> None:
    """The whole stream, decompressed and thrown away."""
    with gzip.open(path, "rb") as stream:
        while stream.read(PIECE_BYTES):
            pass


def read_nothing(path: Path, mask: Bool[np.ndarray, "x y z"]) -> None:
    """What a process takes that has imported everything."""


def read_ours(path: Path, mask: Bool[np.ndarray, "x y z"]) -> None:
    """As `NSDTree.betas` reads a session."""
    betas = read_session(path, mask, TRIALS_PER_SESSION)
    if betas.shape != (TRIALS_PER_SESSION, len(coordinates_of(mask))):
        raise AssertionError(betas.shape)


WAYS: dict[str, tuple[str, Callable[[Path, np.ndarray], None]]] = {
    "hdf5": ("session.hdf5", read_ours),
    "hdf5, bare": ("session.hdf5", read_bare_chunks),
    "nii.gz": ("session.nii.gz", read_ours),
    "nii.gz, bare": ("session.nii.gz", read_bare_stream),
    "nothing": ("mask.npy", read_nothing),
}


def measure(work: Path, way: str, state: str = WARM) -> dict[str, float]:
    """Seconds of one reading and this process's peak; to be called in a process of its own.

    Raises:
        LookupError: unknown way or state.
        OSError: a cold reading was asked for, and the file stays in memory.
    """
    for name, one, known in (("way of reading", way, WAYS), ("state", state, STATES)):
        if one not in known:
            raise LookupError(f"Unknown {name} `{one}`. Choose one of {', '.join(known)}.")
    name, read = WAYS[way]
    mask = np.load(work / "mask.npy", allow_pickle=False)
    if state == COLD:
        make_cold(work / name)
    began = time.perf_counter()
    read(work / name, mask)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reading_times(
    command: Sequence[str], rounds: int, progress: Callable[[int, int], None]
) -> list[ReadingTime]:
    """Medians of interleaved rounds: each way of reading cold, then at once again.

    Args:
        command: followed by `read`, a way and a state, prints `measure` as JSON. Never in this
            process: the peak of a process is not below its parent's.
    """
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    asked = [(way, state) for way in WAYS for state in STATES]
    for number in range(rounds):
        for done, one in enumerate(asked, start=1):
            found.setdefault(one, []).append(told([*command, "read", *one]))
            progress(number * len(asked) + done, rounds * len(asked))

    def middle(way: str, state: str, name: str) -> float:
        return median(one[name] for one in found[way, state])

    return [
        ReadingTime(
            form=form,
            state=state,
            seconds=middle(form, state, "seconds"),
            bare_seconds=middle(f"{form}, bare", state, "seconds"),
            peak_mb=middle(form, state, "peak_mb") - middle("nothing", state, "peak_mb"),
        )
        for form in ("hdf5", "nii.gz")
        for state in STATES
    ]


STEPS: Mapping[str, Callable[..., object]] = {"write": write_session, "read": measure}


def benchmark(command: Sequence[str], rounds: int) -> Iterator[str]:
    """A line for each form and state; `command` is followed by one of `STEPS`."""
    told([*command, "write"])
    for one in reading_times(command, rounds, watch("read")):
        yield (
            f"{one.form}, {one.state}: {one.seconds:.2f} s, {one.ratio:.2f} times a bare reading, "
            f"{one.peak_mb:.0f} MB"
        )
