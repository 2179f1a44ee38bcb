"""Opens a generator by its name: from the package, a local folder or the hub's cache."""

from pathlib import Path

import torch

from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.hub_cache import folders_of
from mindeye.reconstruction.generators.image_variations import load_image_variations
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES, load_ip_adapter
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.reconstruction.generators.unclip import load_unclip
from mindeye.reconstruction.generators.versatile import load_versatile
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget

# Those that are published elsewhere: (folder of the weights, device, execution) -> generator.
LOADERS = {
    "versatile": load_versatile,
    "image-variations": load_image_variations,
    "unclip": load_unclip,
}


def open_generator(
    name: str,
    source: Path | None = None,
    *,
    vae: VaeTarget,
    clip: ClipTarget | None = None,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
) -> ImageGenerator:
    """Loads one of `CATALOGUE`; nothing is fetched.

    Args:
        source: a local folder of its weights; None: where the package or the hub keeps them.
        clip: of the run; needed by IP-Adapters alone.
        vae: of the run; the offline generator draws through it, others have one of their own.

    Raises:
        LookupError: an unknown name.
        FileNotFoundError: its weights are absent; says how to fetch them.
        ValueError: damaged or other weights, or an execution that is not for it.
    """
    facts_of(name)
    if name in LOADERS:
        (folder,) = folders_of(name, source)
        return LOADERS[name](folder, device, execution)
    if name in ADAPTER_FILES:
        return load_ip_adapter(name, *folders_of(name, source), clip, device, execution)
    if execution != PLAIN:
        raise ValueError(
            f"The generator {name} is small and draws in float32, whole. Leave --generator-dtype, "
            "--offload, --slicing and --compile out, or choose another --generator."
        )
    given = {"folder": source} if source else {}
    return load_scenes_generator(vae, device=device, **given)
