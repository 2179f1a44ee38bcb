"""Opens a generator by its name: from the package, a local folder or the hub's cache."""

from pathlib import Path

import torch

from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.targets.vae import VaeTarget


def open_generator(
    name: str,
    source: Path | None = None,
    *,
    vae: VaeTarget,
    device: torch.device | str = "cpu",
) -> ImageGenerator:
    """Loads one of `CATALOGUE`.

    Args:
        source: a local folder of its weights; None: where the package or the hub keeps them.
        vae: of the run; the offline generator draws through it, others have one of their own.

    Raises:
        LookupError: an unknown name.
        FileNotFoundError: its weights are absent; says how to fetch them.
    """
    facts_of(name)
    given = {"folder": source} if source else {}
    return load_scenes_generator(vae, device=device, **given)
