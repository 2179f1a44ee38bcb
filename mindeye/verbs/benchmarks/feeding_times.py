"""How fast a training is fed from the mapped shards of a subject of NSD's size."""

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mindeye.data.batches import epoch_order
from mindeye.data.mapped_trials import MappedRepeats, map_shards
from mindeye.data.shards import ShardWriter
from mindeye.disk import require_free_space
from mindeye.nsd_layout import NSDGENERAL_VOXELS, REPEATS_PER_IMAGE
from mindeye.training.ahead import one_ahead
from mindeye.training.presentation import Moment, presented
from mindeye.training.subjects import take
from mindeye.verbs.benchmarks.other_process import told
from mindeye.verbs.benchmarks.page_cache import cached_share, make_cold

NUM_IMAGES, NUM_VOXELS = 9000, NSDGENERAL_VOXELS[1]
BATCH = 32
CONSUMED_PER_S = 2000
CONSUMED_BATCHES = 200
NUM_BYTES = 10**9
_TABLE_TRIALS = 700  # made up once and turned for each trial: betas are not what is measured


def write_shards(work: Path, seed: int = 0) -> None:
    """All training trials of subject 1, made up, as `mindeye prepare` writes them."""
    require_free_space(work, NUM_BYTES, "The shards of one subject")
    work.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((_TABLE_TRIALS, NUM_VOXELS), dtype=np.float32).astype(np.float16)
    images = rng.permutation(np.repeat(np.arange(NUM_IMAGES), REPEATS_PER_IMAGE))
    shown = np.zeros(NUM_IMAGES, dtype=int)
    writer = ShardWriter(work, "train")
    for trial, image in enumerate(images.tolist()):
        betas = np.roll(table[trial % _TABLE_TRIALS], trial)
        place = {"subject": 1, "session": 1 + trial // 675, "run": 1, "trial": trial}
        writer.write(betas, image_id=image, repeat=int(shown[image]), **place)
        shown[image] += 1
    writer.close()


def measure_feeding(work: Path) -> dict[str, float]:
    """Two epochs, the first from a cold page cache; to be called in a process of its own.

    Returns:
        Seconds until the shards are mapped; scans a second of the first and of the second epoch;
        the share of a consumer's time that it was busy, fed at once and one batch ahead; bytes
        that an order of an epoch takes; and memory before and after, with and without the pages
        of the shards, which the system takes back when it needs them.
    """
    paths = sorted(work.glob("train-*.tar"))
    for path in paths:
        make_cold(path)
    before = _memory_mb()
    began = time.perf_counter()
    trials = map_shards(
        paths, subject=1, num_trials=NUM_IMAGES * REPEATS_PER_IMAGE, num_voxels=NUM_VOXELS
    )
    repeats = MappedRepeats(1, trials, num_voxels=NUM_VOXELS, repeats_per_image=REPEATS_PER_IMAGE)
    open_s = time.perf_counter() - began
    left = float(np.mean([cached_share(path) for path in paths]))
    tracemalloc.start()
    epoch_order(NUM_IMAGES, BATCH, seed=0, epoch=0)
    order_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    cold, warm = (_scans_per_s(repeats, epoch) for epoch in (0, 1))
    busy, busy_ahead = (_busy_share(repeats, ahead) for ahead in (False, True))
    after = _memory_mb()
    return {
        "open_s": open_s,
        "cached_share_after_opening": left,
        "first_epoch_per_s": cold,
        "second_epoch_per_s": warm,
        "busy_share": busy,
        "busy_share_ahead": busy_ahead,
        "order_mb": order_mb,
        "own_memory_mb": after["RssAnon"] - before["RssAnon"],
        "memory_mb": after["VmRSS"] - before["VmRSS"],
        "betas_mb": len(trials.betas) * NUM_VOXELS * 2 / 1e6,
    }


def feeding_sentences(seen: Mapping[str, float]) -> str:
    """What `measure_feeding` found, three lines for the screen."""
    return (
        f"shards opened in {seen['open_s']:.1f} s, cold; {seen['first_epoch_per_s']:,.0f} scans/s "
        f"in the first epoch (after opening, {seen['cached_share_after_opening']:.0%} of the "
        f"shards was in memory), {seen['second_epoch_per_s']:,.0f} in the second\n"
        f"a consumer of {CONSUMED_PER_S:,} scans/s is busy {seen['busy_share']:.0%} of its time, "
        f"fed one batch ahead as in training {seen['busy_share_ahead']:.0%}\n"
        f"a new epoch's order takes {seen['order_mb']:.2f} MB; memory of its own "
        f"{seen['own_memory_mb']:.0f} MB for {seen['betas_mb']:.0f} MB of betas, with mapped "
        f"pages {seen['memory_mb']:.0f} MB"
    )


def _batches(repeats: MappedRepeats, epoch: int) -> Iterator[torch.Tensor]:
    """What one epoch hands to its steps: a scan of each image, of three that are read."""
    for step, rows in enumerate(epoch_order(NUM_IMAGES, BATCH, seed=0, epoch=epoch)):
        moment = Moment(
            step=step,
            pass_number=epoch,
            seed=0,
            mean_of_repeats=0.5,
            generator=torch.Generator().manual_seed(step),
        )
        yield presented(take(repeats, torch.from_numpy(rows)), "drawn", moment)


def _scans_per_s(repeats: MappedRepeats, epoch: int) -> float:
    began = time.perf_counter()
    num_scans = sum(len(batch) for batch in _batches(repeats, epoch))
    return num_scans / (time.perf_counter() - began)


def _busy_share(repeats: MappedRepeats, ahead: bool) -> float:
    """Of a consumer that works elsewhere, as on a GPU, and would take `CONSUMED_PER_S`."""
    batches = _batches(repeats, epoch=2)
    worked, began = 0, time.perf_counter()
    for number, batch in enumerate(one_ahead(batches) if ahead else batches):
        if number == CONSUMED_BATCHES:
            break
        time.sleep(len(batch) / CONSUMED_PER_S)
        worked += len(batch) / CONSUMED_PER_S
    return worked / (time.perf_counter() - began)


def _memory_mb() -> dict[str, float]:
    """What Linux says of this process."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text(encoding="ascii").splitlines()
    cells = (line.split() for line in lines)
    return {one[0].rstrip(":"): int(one[1]) / 1024 for one in cells if one[-1] == "kB"}


STEPS: Mapping[str, Callable[..., object]] = {"write": write_shards, "feed": measure_feeding}


def benchmark(command: Sequence[str], rounds: int) -> Iterator[str]:
    """Three lines; `command` is followed by one of `STEPS`. Two epochs, whatever `rounds`."""
    told([*command, "write"])
    yield feeding_sentences(told([*command, "feed"]))
