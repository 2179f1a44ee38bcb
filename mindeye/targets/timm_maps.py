"""A frozen network of timm as a teacher of maps: a ConvNeXt's stage, or a ViT's patch tokens."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import timm
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class TimmMapConfig:
    """What config.json of a folder with timm's own weights tells; see `fetch_teacher`."""

    timm: str
    """timm's name of the architecture, such as vit_base_patch14_reg4_dinov2.lvd142m."""
    side: int = 224
    """Of the pictures, in pixels."""
    layer: int = -1
    """Whose output the maps are: a stage of a ConvNeXt, a block of a ViT; -1 is the last."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Of the pixels that the network was trained on; the defaults are ImageNet's."""

    def __post_init__(self) -> None:
        if not timm.is_model(self.timm):
            raise ValueError(
                f"`timm` is {self.timm!r}, which timm {timm.__version__} does not know. Choose one "
                "of `python -c 'import timm; print(timm.list_models())'`."
            )
        if self.side < 1 or min(self.std) <= 0:
            raise ValueError(
                f"`side` is {self.side} and `std` {self.std}. Choose a side of 1 or more, and "
                "deviations above 0."
            )


class TimmMapNetwork(nn.Module):
    """Pixels -> the chosen layer's output, place by place; a ViT's behind its last norm."""

    def __init__(self, config: TimmMapConfig, trunk: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.trunk = trunk
        layers = list(trunk.feature_info)
        self.layer = config.layer % len(layers)
        places = (config.side // layers[self.layer]["reduction"]) ** 2
        self.map_shape: tuple[int, int] = places, layers[self.layer]["num_chs"]

    def forward(
        self, pixels: Float[Tensor, "images 3 side side"]
    ) -> Float[Tensor, "images places width"]:
        (maps,) = self.trunk.forward_intermediates(
            pixels, indices=[self.layer], norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps.flatten(2).transpose(1, 2)


def load_timm_network(config: TimmMapConfig, weights: Path) -> TimmMapNetwork:
    """The frozen network with timm's weights; a classifier in the file is left out.

    Raises:
        ValueError: a side or a layer that the network does not have; damaged weights, or weights
            of another architecture.
    """
    about = timm.get_pretrained_cfg(config.timm)
    # A ViT's positions are brought to this side when its weights are loaded.
    sized = {"img_size": config.side} if about and about.fixed_input_size else {}
    build = partial(timm.create_model, config.timm, num_classes=0, **sized)
    with torch.device("meta"):
        blank = build(pretrained=False)
    _require_layer(config, blank, str(weights.parent))
    _require_all(config, blank, weights)
    try:
        # Its random start must not move anybody else's stream.
        with torch.random.fork_rng():
            trunk = build(pretrained=True, pretrained_cfg_overlay={"file": str(weights)})
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"{weights} does not fit {config.timm}: {first} Was it made for another architecture?"
        ) from error
    return TimmMapNetwork(config, trunk).eval().requires_grad_(False)


def _require_layer(config: TimmMapConfig, blank: nn.Module, source: str) -> None:
    if not hasattr(blank, "forward_intermediates"):
        raise ValueError(
            f"{source}: timm gives no inner layers of {config.timm}. Choose a ViT or a ConvNeXt."
        )
    layers = list(blank.feature_info)
    if not -len(layers) <= config.layer < len(layers):
        raise ValueError(
            f"{source}: `layer` is {config.layer}, but {config.timm} has {len(layers)}. "
            f"Choose from 0 to {len(layers) - 1}, or -1 for the last."
        )
    reduction = layers[config.layer]["reduction"]
    if config.side % reduction:
        raise ValueError(
            f"{source}: a side of {config.side} px is no multiple of {reduction}, which is how "
            f"many pixels a place of {config.timm} covers. Choose 16 x {reduction} = "
            f"{16 * reduction} for the 16 x 16 places of MindEye1."
        )


def _require_all(config: TimmMapConfig, blank: nn.Module, weights: Path) -> None:
    """timm would leave at random what the file lacks."""
    try:
        with safe_open(weights, framework="pt") as file:
            held = set(file.keys())
    except SafetensorError as error:
        raise ValueError(f"{weights} is damaged ({error}). Copy or fetch it again.") from error
    absent = sorted(blank.state_dict().keys() - held)
    if absent:
        raise ValueError(
            f"{weights} holds no `{absent[0]}`, which {config.timm} needs. Is it the safetensors "
            "file of that model, as timm has it on the hub?"
        )
