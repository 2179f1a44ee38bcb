"""How long one NSD session takes to read, beside a bare reading of the same bytes."""

import gzip
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import h5py
import nibabel
import numpy as np
from jaxtyping import Bool

from mindeye.data.betas import read_session
from mindeye.data.roi import coordinates_of
from mindeye.disk import require_free_space
from mindeye.nsd_layout import NSDGENERAL_VOXELS, TRIALS_PER_SESSION

# Subject 1's grid in func1pt8mm (NSD Data Manual).
SHAPE = (81, 104, 83)
VOXEL_MM, PSEUDO_TR_S = 1.8, 4 / 3
BRAIN_SHARE = 0.32
PIECE_BYTES = 1 << 20
NUM_BYTES = 3 * 10**9


@dataclass(frozen=True, kw_only=True)
class ReadingTime:
    """One form read so many times, each in a process of its own."""

    form: str
    seconds: float
    """Median; page cache warm."""
    bare_seconds: float
    peak_mb: float
    """Above that of a process that has imported everything and read nothing; the betas that are
    given back (750 x 15,724 float32: 47 MB) are in it."""

    @property
    def ratio(self) -> float:
        return self.seconds / self.bare_seconds


def write_session(work: Path, seed: int = 0) -> None:
    """One session of made-up betas in both forms at subject 1's size, and its mask."""
    require_free_space(work, NUM_BYTES, "The session in both forms")
    work.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    distance = _distance_from_centre()
    brain = distance < np.quantile(distance, BRAIN_SHARE)
    # A half shell at the back, as the visual cortex: so many voxels as nsdgeneral has.
    at_back = np.arange(SHAPE[1])[None, :, None] < SHAPE[1] // 2
    outermost = np.argsort(np.where(brain & at_back, -distance, 0), axis=None, kind="stable")
    mask = np.zeros(SHAPE, dtype=bool)
    mask.flat[outermost[: NSDGENERAL_VOXELS[1]]] = True
    np.save(work / "mask.npy", mask, allow_pickle=False)
    inside = np.flatnonzero(brain.ravel(order="F"))
    with (
        h5py.File(work / "session.hdf5", "w") as file,
        gzip.open(work / "session.nii.gz", "wb", compresslevel=6) as stream,
    ):
        shape = (TRIALS_PER_SESSION, *SHAPE[::-1])
        stored = file.create_dataset("betas", shape, "<i2", chunks=(TRIALS_PER_SESSION, 1, 1, 1))
        betas = rng.normal(0, 600, (len(inside), TRIALS_PER_SESSION)).astype("<i2")
        rows = np.full(np.prod(SHAPE), -1)
        rows[inside] = np.arange(len(inside))
        zeros = np.zeros(TRIALS_PER_SESSION, dtype="<i2").tobytes()
        for place, row in enumerate(rows.tolist()):
            z, y, x = np.unravel_index(place, SHAPE[::-1])
            content = zeros if row < 0 else betas[row].tobytes()
            stored.id.write_direct_chunk((0, int(z), int(y), int(x)), content)
        stream.write(_nifti_header())
        volume = np.zeros(np.prod(SHAPE), dtype="<i2")
        for trial in range(TRIALS_PER_SESSION):
            volume[inside] = betas[:, trial]
            stream.write(volume.tobytes())


def _distance_from_centre() -> np.ndarray:
    axes = [np.linspace(-1, 1, side) for side in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2


def _nifti_header() -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_dtype("<i2")
    header.set_data_shape((*SHAPE, TRIALS_PER_SESSION))
    header.set_zooms((VOXEL_MM,) * 3 + (PSEUDO_TR_S,))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + b"\0" * (352 - len(header.binaryblock))


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
WRITE = "write"


def measure(work: Path, way: str) -> dict[str, float]:
    """Seconds of one reading and this process's peak; to be called in a process of its own.

    Raises:
        LookupError: unknown way.
    """
    if way not in WAYS:
        raise LookupError(f"Unknown way of reading `{way}`. Choose one of {', '.join(WAYS)}.")
    name, read = WAYS[way]
    mask = np.load(work / "mask.npy", allow_pickle=False)
    began = time.perf_counter()
    read(work / name, mask)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def reading_times(
    work: Path, program: Path, rounds: int, progress: Callable[[int, int], None]
) -> list[ReadingTime]:
    """Medians of interleaved rounds; the first round warms the page cache and is not counted.

    Args:
        program: for `--work WORK --way WAY` prints `measure` as JSON; for `--way write` writes the
            session. Never in this process: the peak of a process is not below its parent's.
    """
    subprocess.run([sys.executable, str(program), "--work", str(work), "--way", WRITE], check=True)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for done, way in enumerate(WAYS):
            command = [sys.executable, str(program), "--work", str(work), "--way", way]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            if number:
                found[way].append(json.loads(output))
            progress(number * len(WAYS) + done + 1, (rounds + 1) * len(WAYS))

    def middle(way: str, name: str) -> float:
        return median(one[name] for one in found[way])

    return [
        ReadingTime(
            form=form,
            seconds=middle(form, "seconds"),
            bare_seconds=middle(f"{form}, bare", "seconds"),
            peak_mb=middle(form, "peak_mb") - middle("nothing", "peak_mb"),
        )
        for form in ("hdf5", "nii.gz")
    ]
