"""`mindeye gallery build` killed at drawn moments: does it end in the same bytes?"""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mindeye.files import sha256_of
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.simulate.scene_tars import SceneTars, write_scene_tars
from mindeye.verbs.benchmarks.survival import kill_at

PICTURES, VECTORS = "pictures", "embeddings"
LAYOUTS = (PICTURES, VECTORS)
NUM_SHARDS, PICTURES_PER_TAR, VECTORS_PER_FILE = 20, 50, 10_000


def build_kills(folder: Path, *, number: int, seed: int) -> Iterator[str]:
    """Of each layout, builds once in peace, then with a kill at a drawn moment each.

    Moments lie anywhere between the first sight of the build's folder and its end, as long as the
    build in peace took.
    """
    for layout in LAYOUTS:
        source = write_source(folder, layout, seed)
        yield f"SIMULATED {layout}: {NUM_SHARDS} shards in {source}"
        whole = folder / f"{layout}-whole"
        # Of an earlier run in a folder that was kept: it would end at once.
        shutil.rmtree(whole, ignore_errors=True)
        seconds = _built_in(command_of(source, whole), whole / "building")
        expected, draw, equal = checksums_of(whole), random.Random(seed), 0
        for one in range(number):
            out = folder / f"{layout}-{one}"
            shutil.rmtree(out, ignore_errors=True)
            building, delay = out / "building", draw.uniform(0, seconds)
            was_alive = kill_at(command_of(source, out), building.exists, delay)
            left = len([path for path in building.glob("*.json") if path.name != "source.json"])
            subprocess.run(command_of(source, out), check=True, capture_output=True)
            same = checksums_of(out) == expected
            equal += same
            yield (
                f"{layout}, kill {one + 1} at {delay * 1000:.0f} ms"
                f"{'' if was_alive else ' (had ended)'}: {left} of {NUM_SHARDS} shards whole; "
                f"resumed: {'the same bytes' if same else 'OTHER BYTES'}"
            )
            shutil.rmtree(out)
        yield f"{layout}: {equal} of {number} killed and resumed builds ended in the same bytes"


def write_source(folder: Path, layout: str, seed: int, pictures: int = PICTURES_PER_TAR) -> Path:
    """Webdataset tars of drawn scenes, or files in LAION's layout.

    Args:
        layout: a member of `LAYOUTS`.
        pictures: of a tar.
    """
    out = folder / f"{layout}-source"
    if layout == PICTURES:
        scenes = SceneTars(
            num_scenes=NUM_SHARDS * pictures, seed=seed, side=64, scenes_per_tar=pictures
        )
        write_scene_tars(out, scenes, workers=1)
    else:
        vectors = ClusteredVectors(width=64, seed=seed)
        write_laion_shards(
            out, NUM_SHARDS * VECTORS_PER_FILE, per_shard=VECTORS_PER_FILE, vectors=vectors
        )
    return out


def command_of(source: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "mindeye", "gallery", "build", str(source), "--out", str(out)]


def checksums_of(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of all files in it, also of what a kill has left."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _built_in(command: Sequence[str], building: Path) -> float:
    """Seconds from the first sight of the build's folder to its end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None and not building.exists():
        time.sleep(0.0005)
    begun = time.monotonic()
    _, told = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {told.decode(errors='replace')[-500:]}")
    return time.monotonic() - begun
