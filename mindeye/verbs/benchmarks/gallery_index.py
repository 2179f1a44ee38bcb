"""Indexes of simulated galleries: cost beside faiss called bare, recall, and kills."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.retrieval.gallery.index.choice import choose_index
from mindeye.retrieval.gallery.index.folder import require_current
from mindeye.retrieval.gallery.index.record import read_record
from mindeye.verbs.benchmarks.gallery_work import (
    build_bare,
    build_ours,
    search_ours,
    simulated_gallery,
    write_truth,
)
from mindeye.verbs.benchmarks.other_process import told
from mindeye.verbs.benchmarks.survival import kill_at
from mindeye.verbs.progress import watch

MEMORY = 8_000_000_000


def work_of(name: str, settings: dict) -> str:
    """What a process of its own does, as JSON."""
    works = {"ours": build_ours, "bare": build_bare, "search": search_ours}
    settings["folder"] = Path(settings["folder"])
    return json.dumps(works[name](**settings))


def benchmark(
    program: Path,
    folder: Path,
    *,
    num_vectors: int,
    width: int,
    lists: int | None,
    recall: float,
    num_queries: int,
    threads: int,
    seed: int,
    bare: bool,
    figures: Path | None = None,
) -> Iterator[str]:
    """Builds, searches and compares; each in a process of its own.

    Args:
        figures: gets a line of JSON for `mindeye gallery plan`.
    """
    yield f"SIMULATED: {num_vectors:,} clustered unit vectors of {width} numbers in {folder}"
    gallery = simulated_gallery(folder, num_vectors, width, seed, watch("shards"))
    write_truth(gallery, num_queries, seed)
    choice = choose_index(
        num_vectors, width, recall=recall, memory=MEMORY, kind="ivf-rabitq", lists=lists
    )
    yield from choice.lines

    def process(name: str, **settings) -> dict[str, float]:
        settings |= {"folder": str(folder), "threads": threads}
        return told([str(program), "--work", name, json.dumps(settings)])

    ours = process("ours", lists=choice.lists, recall=recall, memory=MEMORY)
    yield f"ours: {_told(ours)}"
    if bare:
        theirs = process("bare", lists=choice.lists, sample=choice.sample)
        yield f"bare faiss: {_told(theirs)}"
        yield f"build, ours / bare faiss: {ours['build_s'] / theirs['build_s']:.2f}"
    searched = process("search", num_queries=num_queries, seed=seed)
    yield f"search: {_told(searched)}"
    if figures is not None:
        # The peak is that of the build.
        told_of = {"vectors": num_vectors, "width": width, "threads": threads, **searched, **ours}
        with figures.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told_of) + "\n")
        yield f"figures: {figures}"


def kills(folder: Path, *, num_vectors: int, number: int, seed: int) -> Iterator[str]:
    """Builds once in peace, then with a kill at a drawn moment each; compares the files."""
    gallery = simulated_gallery(folder, num_vectors, 64, seed, watch("shards"), shard=2_000)
    run = [sys.executable, "-m", "mindeye", "gallery", "index", str(folder), "--threads", "1"]
    command = [*run, "--kind", "ivf-rabitq", "--lists", "64"]
    subprocess.run(command, check=True, capture_output=True)
    expected, equal = files_of(folder), 0
    draw = random.Random(seed)
    for one in range(number):
        shutil.rmtree(folder / "index")
        building = folder / "index" / "building"
        delay = draw.uniform(0, 2.0)
        was_alive = kill_at(command, building.exists, delay)
        left = sorted(path.name for path in building.rglob("*") if path.is_file())
        subprocess.run(command, check=True, capture_output=True)
        same = files_of(folder) == expected
        equal += same
        how = "" if was_alive else " (had ended)"
        verdict = "the same bytes" if same else "OTHER BYTES"
        yield (
            f"kill {one + 1} at {delay * 1000:.0f} ms{how}: {len(left)} files of "
            f"{len(gallery.shards)} shards left; resumed: {verdict}"
        )
    yield f"{equal} of {number} killed and resumed builds ended in the same bytes"


def files_of(folder: Path) -> dict[str, dict]:
    """Checksums of the index that is searched."""
    return read_record(require_current(open_gallery(folder))).files


def _told(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
