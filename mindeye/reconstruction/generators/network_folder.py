"""Opens networks in diffusers' folder layout; weights of torch.save are read, never unpickled."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import ModelMixin
from torch import Tensor

from mindeye.files import read_json, sha256_of
from mindeye.models.checkpoint.file import open_checkpoint
from mindeye.models.meta_device import on_meta

Network = TypeVar("Network", bound=ModelMixin)

CONFIG_FILE = "config.json"
INDEX_FILE = "diffusion_pytorch_model.safetensors.index.json"
WEIGHTS_FILES = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.bin",
)
"""In the order in which they are looked for."""
# How attention in VAEs was named until diffusers 0.12.
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_NAME = re.compile(rf"(?<=\.)({'|'.join(_OLD_NAMES)})(?=\.(?:weight|bias)$)")


def load_network(kind: type[Network], folder: Path, dtype: torch.dtype = torch.float32) -> Network:
    """A frozen network on the CPU, in evaluation mode.

    Files of torch.save (`.bin`) are read tensor by tensor by `open_checkpoint`: no code that they
    hold is run.

    Raises:
        FileNotFoundError: no config.json or no weights there.
        ValueError: another class than `kind`, a damaged file, or weights of another network.
    """
    config = _config_of(kind, folder)
    paths = weights_paths(folder)
    network = on_meta(partial(kind.from_config, config))
    weights = {}
    for path in paths:
        weights |= {_new_name(name): one for name, one in open_checkpoint(path).weights.items()}
    _require_fitting(network, weights, folder, paths[0])
    # Plain tensors: accelerate, which moves them layer by layer, makes others of their class.
    plain = {name: one.to(dtype).as_subclass(Tensor) for name, one in weights.items()}
    network.load_state_dict(plain, assign=True)
    return network.eval().requires_grad_(False)


def weights_paths(folder: Path) -> tuple[Path, ...]:
    """The files that hold a network's weights: one, or the shards that an index names.

    Raises:
        FileNotFoundError: none there, or a shard is missing.
    """
    index = folder / INDEX_FILE
    if index.is_file():
        names = sorted(set(read_json(index)["weight_map"].values()))
        paths = tuple(folder / name for name in names)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{missing[0]} is missing, one of the {len(paths)} files that {INDEX_FILE} names. "
                "Fetch it again."
            )
        return paths
    for name in WEIGHTS_FILES:
        if (folder / name).is_file():
            return (folder / name,)
    raise FileNotFoundError(
        f"There are no weights at {folder}: {WEIGHTS_FILES[0]} is missing. "
        "Fetch the folder whole, or give another one."
    )


def weights_hash(*folders: Path) -> str:
    """The first 12 hex digits that tell the weights of these networks from all others."""
    found = [sha256_of(path) for folder in folders for path in weights_paths(folder)]
    return found[0][:12] if len(found) == 1 else "".join(one[:6] for one in found)


def _config_of(kind: type[ModelMixin], folder: Path) -> Mapping:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no network at {folder}: {CONFIG_FILE} is missing. "
            "Fetch the folder whole, or give another one."
        )
    config = read_json(path)
    found = config.get("_class_name", "no class of diffusers")
    if found != kind.__name__:
        raise ValueError(
            f"{path} describes a {found}, but a {kind.__name__} is needed. "
            "Is this the folder of another generator?"
        )
    return config


def _new_name(name: str) -> str:
    return _OLD_NAME.sub(lambda found: _OLD_NAMES[found.group()], name)


def _require_fitting(
    network: ModelMixin, weights: Mapping[str, Tensor], folder: Path, path: Path
) -> None:
    expected = {name: tuple(one.shape) for name, one in network.state_dict().items()}
    found = {name: tuple(one.shape) for name, one in weights.items()}
    if found == expected:
        return
    wrong = sorted(expected.keys() ^ found.keys()) or sorted(
        name for name in expected if expected[name] != found[name]
    )
    shown = [str(shapes.get(wrong[0], "absent")) for shapes in (found, expected)]
    raise ValueError(
        f"{path} does not fit {folder / CONFIG_FILE}: {len(wrong)} of its {len(expected)} weights "
        f"differ, such as `{wrong[0]}` ({shown[0]} in the file, {shown[1]} in the network). "
        "Fetch both again, from one place."
    )
