"""How much memory the scoring of many large pictures takes."""

import time
from pathlib import Path

import numpy as np
import torch

from mindeye.disk import require_free_space
from mindeye.reconstruction.scoring import picture_scores
from mindeye.targets.metric_networks.convolutional import CONVOLUTIONAL, convolutional_judge
from mindeye.verbs.benchmarks.metric_times import peak_mb
from mindeye.verbs.benchmarks.metric_works import SIDE


def measure_memory(work: Path, num_images: int) -> dict[str, float]:
    """Peak of a process that scores so many pictures of 425 px from disk with AlexNet.

    AlexNet's second layer is the widest output of the field's networks (184,512 values a picture);
    its weights are random here, which changes no size.
    """
    paths = [work / f"{name}.npy" for name in ("drawn", "shown")]
    features = 4 * 2 * num_images * (184_512 + 57_600)
    require_free_space(work, 2 * num_images * SIDE**2 * 3 + features, "Pictures and features")
    for seed, path in enumerate(paths):
        _write_pictures(path, num_images, seed)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CONVOLUTIONAL["alexnet"].empty().eval().requires_grad_(False)
    judge = convolutional_judge("alexnet", network, "random weights")
    before = peak_mb()
    pictures = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    began = time.perf_counter()
    scores = picture_scores(*pictures, {judge.name: judge})
    return {
        "images": num_images,
        "metrics": len(scores),
        "wall_s": time.perf_counter() - began,
        "before_mb": before,
        "peak_mb": peak_mb(),
    }


def _write_pictures(path: Path, num_images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (num_images, SIDE, SIDE, 3)
    coarse = -(-SIDE // 25)
    # Not through a map, whose pages would count as memory of this process.
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(num_images):
            patches = rng.integers(0, 256, (coarse, coarse, 3), dtype=np.uint8)
            file.write(patches.repeat(25, 0).repeat(25, 1)[:SIDE, :SIDE].tobytes())
