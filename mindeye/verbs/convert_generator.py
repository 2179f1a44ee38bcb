"""`mindeye convert unclip`: MindEye2's SDXL unCLIP -> a folder of diffusers' modules."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    ModelMixin,
    UNet2DConditionModel,
)
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError
from safetensors.torch import save_file

from mindeye.disk import require_free_space, unwritten
from mindeye.files import SHARED_MODE, atomic_folder, holds_something, sha256_of, write_json
from mindeye.models.checkpoint.file import open_checkpoint
from mindeye.reconstruction.generators.sdxl import SCHEDULE, SDXL_VAE, UNCLIP_UNET
from mindeye.reconstruction.generators.sgm_checkpoint import (
    NamedModule,
    named_unet,
    named_vae,
    require_known,
)
from mindeye.reconstruction.generators.unclip import FACTS_FILE

SHARD_BYTES = 2_000_000_000
WEIGHTS_PATTERN = "diffusion_pytorch_model{suffix}.safetensors"
Progress = Callable[[str, int, int], None]


def convert_unclip(
    file: Path,
    out: Path,
    *,
    unet: Mapping[str, Any] = UNCLIP_UNET,
    vae: Mapping[str, Any] = SDXL_VAE,
    progress: Progress | None = None,
) -> Path:
    """Writes UNet, VAE, schedule and provenance, whole or not at all; numbers stay as they are.

    The file is mapped and written shard by shard, so its size may exceed the memory. Its CLIP is
    left out: the tokens come from the run's own.

    Args:
        unet: configuration that the checkpoint's weights must fit, as `vae`.

    Raises:
        FileNotFoundError: no checkpoint there.
        LookupError: weights are missing, or unknown.
        ValueError: a damaged or poisoned file, misshapen weights, or `out` is taken.
        OSError: the disk is too full.
    """
    report = progress or (lambda stage, done, total: None)
    if holds_something(out):
        raise ValueError(f"{out} is not empty. Choose another folder for the generator.")
    weights = open_checkpoint(file).weights
    require_known(weights)
    with torch.device("meta"):
        modules = {
            "unet": UNet2DConditionModel.from_config(dict(unet)),
            "vae": AutoencoderKL.from_config(dict(vae)),
        }
    named = {
        "unet": named_unet(weights, modules["unet"]),
        "vae": named_vae(weights, modules["vae"]),
    }
    require_free_space(out, sum(map(num_bytes_of, named.values())), "The converted generator")
    report("checksum", 0, 1)
    source = {"name": file.name, "num_bytes": file.stat().st_size, "sha256": sha256_of(file)}
    report("checksum", 1, 1)
    with atomic_folder(out) as temporary:
        for name, module in modules.items():
            write_module(temporary / name, module, named[name], name, report)
        EulerDiscreteScheduler.from_config(dict(SCHEDULE)).save_config(temporary / "scheduler")
        write_json(temporary / FACTS_FILE, {"generator": "unclip", "converted": source})
    return out


def num_bytes_of(named: NamedModule) -> int:
    """Of all weights, as they lie in the file."""
    tensors = (named[name] for name in named)
    return sum(one.numel() * one.element_size() for one in tensors)


def write_module(
    folder: Path, module: ModelMixin, named: NamedModule, title: str, report: Progress
) -> None:
    """config.json and shards of safetensors, as diffusers reads them."""
    module.save_config(folder)
    split = split_torch_state_dict_into_shards(
        {name: named[name] for name in named},
        filename_pattern=WEIGHTS_PATTERN,
        max_shard_size=SHARD_BYTES,
    )
    for done, (filename, names) in enumerate(split.filename_to_tensors.items()):
        report(title, done, len(split.filename_to_tensors))
        _save_shard(folder / filename, named, names)
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        write_json(folder / f"{WEIGHTS_PATTERN.format(suffix='')}.index.json", index)
    report(title, len(split.filename_to_tensors), len(split.filename_to_tensors))


def _save_shard(path: Path, named: NamedModule, names: Sequence[str]) -> None:
    try:
        save_file({name: named[name] for name in names}, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise unwritten(path, error) from error
    path.chmod(SHARED_MODE)
