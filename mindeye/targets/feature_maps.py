"""A frozen network: images -> the feature maps that teach the low-level network."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.models.convnext import ConvNeXt
from torch import Tensor, nn

from mindeye.config import from_mapping, to_mapping
from mindeye.files import atomic_path, read_json, write_json
from mindeye.targets.clip_folder import weights_hash
from mindeye.targets.published_teachers import teacher_folder
from mindeye.targets.timm_maps import TimmMapConfig, TimmMapNetwork, load_timm_network

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
# A place of the maps covers 32 x 32: the stem divides a side by 4, three stages divide it by 2.
PIXELS_PER_PLACE = 32
# ImageNet's, as VICRegL was trained with. MindEye1 and 2 have 0.228 for red, a slip of the pen
# (fMRI-reconstruction-NSD, train_autoencoder.py) that makes red stronger by 0.4 %.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class MapConfig:
    """The architecture; defaults are those of the published ConvNeXt-XL (MindEye1: 512 px)."""

    depths: tuple[int, int, int, int] = (3, 3, 27, 3)
    """Blocks of each stage."""
    dims: tuple[int, int, int, int] = (256, 512, 1024, 2048)
    """Channels of each stage."""
    projector: tuple[int, ...] = (512, 512, 512)
    """Widths of the projector's layers; the last one is that of the maps."""
    side: int = 512
    """Of the pictures, in pixels. 512 gives 16 x 16 places, MindEye2's 224 gives 7 x 7."""

    def __post_init__(self) -> None:
        if self.side < PIXELS_PER_PLACE or self.side % PIXELS_PER_PLACE:
            raise ValueError(
                f"A side of {self.side} px is no multiple of {PIXELS_PER_PLACE}. "
                "Choose 512 (MindEye1) or 224 (MindEye2)."
            )
        if not self.projector or min(*self.depths, *self.dims, *self.projector) < 1:
            raise ValueError(
                f"Depths {self.depths}, dims {self.dims} and projector {self.projector} leave a "
                "layer out. Give at least one projector width, and no zeros."
            )


class MapNetwork(nn.Module):
    """ConvNeXt without layer scale, norm at every place, then VICRegL's `maps_projector`."""

    def __init__(self, config: MapConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = ConvNeXt(
            depths=config.depths,
            dims=config.dims,
            num_classes=0,
            global_pool="",  # the last norm stays, the places too
            ls_init_value=None,
        )
        widths = (config.dims[-1], *config.projector)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.ReLU()]
        self.projector = nn.Sequential(*layers, nn.Linear(*widths[-2:], bias=False))

    @property
    def map_shape(self) -> tuple[int, int]:
        """(places, width) of one picture."""
        return (self.config.side // PIXELS_PER_PLACE) ** 2, self.config.projector[-1]

    def forward(
        self, pixels: Float[Tensor, "images 3 side side"]
    ) -> Float[Tensor, "images places width"]:
        return self.projector(self.trunk(pixels).flatten(2).transpose(1, 2))


@dataclass(frozen=True, kw_only=True)
class MapTarget:
    """Feature maps of images, place by place, row after row."""

    model: MapNetwork | TimmMapNetwork
    identity: str
    """Name, weights hash, side and, where they are not ImageNet's, the pixels' mean and spread."""
    side: int
    """Input side in pixels."""
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    @property
    def map_shape(self) -> tuple[int, int]:
        """(places, width) of one image."""
        return self.model.map_shape

    def maps(
        self, images: Float[Tensor, "images 3 rows columns"]
    ) -> Float[Tensor, "images places width"]:
        """Maps of RGB images in [0, 1] of any size."""
        mean, std = (images.new_tensor(value).view(3, 1, 1) for value in (self.mean, self.std))
        return self.model((self.resized(images) - mean) / std)

    def resized(
        self, images: Float[Tensor, "images 3 height width"]
    ) -> Float[Tensor, "images 3 side side"]:
        """At the side that the network takes (bilinear, antialiased)."""
        if images.shape[-2:] == (self.side, self.side):
            return images
        return torch.nn.functional.interpolate(
            images, size=(self.side, self.side), mode="bilinear", antialias=True
        )


def load_maps(source: str | Path, device: torch.device | str = "cpu") -> MapTarget:
    """Loads the network of a folder (config.json + model.safetensors), or of a teacher's name.

    Raises:
        FileNotFoundError: the folder lacks one of the two files, or the named one is absent.
        LookupError: a key of config.json that nobody knows.
        ValueError: damaged weights, or weights of another architecture.
    """
    folder = teacher_folder(source)
    config_path, weights_path = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    for path in (config_path, weights_path):
        if not path.is_file():
            raise FileNotFoundError(
                f"No feature-map network at {folder}: {path.name} is missing. Fetch one by name "
                "(`python data_scripts/map_teachers.py --list`), or convert VICRegL's with "
                f"`python data_scripts/convert_vicregl.py CHECKPOINT --out {folder}`."
            )
    values = read_json(config_path)
    if "timm" in values:
        return _timm_target(from_mapping(TimmMapConfig, values, str(config_path)), folder, device)
    config = from_mapping(MapConfig, values, str(config_path))
    try:
        weights = load_file(weights_path)
    except SafetensorError as error:
        raise ValueError(
            f"{weights_path} is damaged ({error}). Copy or convert it again."
        ) from error
    network = filled_network(config, weights, str(weights_path))
    return MapTarget(
        model=network.to(device),
        identity=f"{folder.name}-{weights_hash(weights_path)}-{config.side}px",
        side=config.side,
    )


def _timm_target(config: TimmMapConfig, folder: Path, device: torch.device | str) -> MapTarget:
    weights = folder / WEIGHTS_FILE
    network = load_timm_network(config, weights)
    identity = f"{folder.name}-{weights_hash(weights)}-{config.side}px-layer{network.layer}"
    pixels = tuple(config.mean), tuple(config.std)
    if pixels != (MEAN, STD):
        identity += f"-pixels{hashlib.sha256(str(pixels).encode()).hexdigest()[:6]}"
    return MapTarget(
        model=network.to(device),
        identity=identity,
        side=config.side,
        mean=config.mean,
        std=config.std,
    )


def save_maps(network: MapNetwork, folder: Path) -> None:
    """Writes what `load_maps` opens."""
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)
    write_json(folder / CONFIG_FILE, to_mapping(network.config))


def filled_network(config: MapConfig, weights: Mapping[str, Tensor], source: str) -> MapNetwork:
    """The frozen network with these weights; `source` says whose they are.

    Raises:
        ValueError: names the first tensor that does not fit.
    """
    # Shapes without values: no random start, and no second copy of the weights in memory.
    with torch.device("meta"):
        network = MapNetwork(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    differing = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if differing:
        name = differing[0]
        raise ValueError(
            f"{source} does not fit {config.depths} blocks of {config.dims} channels: `{name}` is "
            f"{found.get(name, 'absent')}, not {wanted.get(name, 'absent')}. "
            "Was it made for another architecture?"
        )
    network.load_state_dict(dict(weights), assign=True)
    return network.eval().requires_grad_(False)
