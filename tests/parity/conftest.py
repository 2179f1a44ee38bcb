"""The published networks' numbers, and the weights behind them, rebuilt by rule."""

import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parent / "golden"


def weight(key: str, shape: list[int], seed: int) -> torch.Tensor:
    """Gains are 1 + 0.1 n, biases 0.1 n, all else n / sqrt(fan in), n standard normal."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    draw = np.random.RandomState(int.from_bytes(digest[:4], "little"))
    n = draw.standard_normal(shape).astype(np.float32)
    kind = key.rpartition(".")[2]
    if kind == "bias":
        n = 0.1 * n
    elif kind == "g" or (kind == "weight" and len(shape) == 1):
        n = 1 + 0.1 * n
    else:
        n = (n / np.sqrt(np.prod(shape[1:], dtype=int))).astype(np.float32)
    return torch.from_numpy(n)


@pytest.fixture(scope="session")
def numbers() -> dict[str, torch.Tensor]:
    """Inputs and outputs of the published modules (float32, CPU, small widths)."""
    with np.load(GOLDEN / "models.npz") as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive}


@pytest.fixture(scope="session")
def weights_of():
    """Function: model name -> its published state dict without buffers; read only."""
    spec = json.loads((GOLDEN / "models.json").read_text(encoding="utf-8"))

    @functools.cache
    def build(model: str) -> dict[str, torch.Tensor]:
        return {
            entry["key"]: weight(entry["key"], entry["shape"], spec["seed"])
            for entry in spec["models"][model]["keys"]
            if not entry["fixed"]
        }

    return build
