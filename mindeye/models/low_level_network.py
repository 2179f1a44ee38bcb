"""The published low-level network: a small map -> a VAE-like decoder, and its auxiliary maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from diffusers.models.autoencoders.vae import Decoder as UpsamplingDecoder
from jaxtyping import Float
from torch import Tensor, nn

from mindeye.models.backbone import Backbone, BackboneConfig
from mindeye.models.ridge import SubjectRidge

NORM_GROUPS = 32


@dataclass(frozen=True, kw_only=True)
class LowLevelPathConfig:
    width: int = 4096
    num_blocks: int = 4
    input_dropout: float = 0.5
    block_dropout: float = 0.25


@dataclass(frozen=True, kw_only=True)
class PublishedLowLevelConfig:
    base_channels: int = 64
    base_side: int = 16
    """Side of the map that the linear layer gives: MindEye1 16, MindEye2 7."""
    dropout: float = 0.0
    """Behind the linear layer; MindEye2 0.3."""
    block_channels: tuple[int, ...] = (64, 128, 256)
    """Of the upsampling blocks, from the picture to the map; each but one doubles the side."""
    layers_per_block: int = 1
    map_width: int | None = 512
    """Width of the maps that are compared with a ConvNeXt's while training; None: no map head."""
    path: LowLevelPathConfig | None = None
    """MindEye1's own way from the voxels to the map. None: from the shared hidden state."""

    @property
    def latent_side(self) -> int:
        return self.base_side * 2 ** (len(self.block_channels) - 1)


class LowLevelOutput(NamedTuple):
    latents: Float[Tensor, "trials channels rows columns"]
    maps: Float[Tensor, "trials places width"] | None


class LowLevelPath(nn.Module):
    """Betas -> hidden state, all for the low-level network (MindEye1): SiLU, no biases."""

    def __init__(self, config: LowLevelPathConfig, num_voxels_of: Mapping[int, int]) -> None:
        super().__init__()
        backbone = BackboneConfig(
            width=config.width,
            num_blocks=config.num_blocks,
            input_dropout=config.input_dropout,
            block_dropout=config.block_dropout,
        )
        self.ridge = SubjectRidge(num_voxels_of, config.width, bias=False)
        self.backbone = Backbone(backbone, activation=nn.SiLU, bias=False)

    def forward(
        self, betas: Float[Tensor, "trials voxels"], subject: int
    ) -> Float[Tensor, "trials latent"]:
        return self.backbone(self.ridge(betas, subject))


class LowLevelNetwork(nn.Module):
    """Hidden state -> VAE latents and maps, as published.

    Source: MindEye1 (arXiv:2305.18274) A.4: 16 x 16 -> 64 x 64; MindEye2 (arXiv:2403.11207):
    7 x 7 -> 28 x 28 (its paper says 64 x 64). Our own is `LowLevelHead`.
    """

    def __init__(
        self, width: int, latent_shape: tuple[int, int, int], config: PublishedLowLevelConfig
    ) -> None:
        super().__init__()
        channels, rows, columns = latent_shape
        if not rows == columns == config.latent_side:
            raise ValueError(
                f"Latents of {rows} x {columns} are asked for, but this low-level network gives "
                f"{config.latent_side} x {config.latent_side}. Choose low_level.base_side so that "
                f"side = base_side x 2^{len(config.block_channels) - 1}."
            )
        if any(count % NORM_GROUPS for count in config.block_channels):
            raise ValueError(
                f"Blocks of {config.block_channels} channels cannot be normalised in {NORM_GROUPS} "
                f"groups. Choose multiples of {NORM_GROUPS} for low_level.block_channels."
            )
        base = config.base_channels
        self.map_shape = (base, config.base_side, config.base_side)
        self.linear = nn.Linear(width, base * config.base_side**2, bias=config.path is None)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.GroupNorm(1, base)
        self.upsampler = UpsamplingDecoder(
            in_channels=base,
            out_channels=channels,
            up_block_types=("UpDecoderBlock2D",) * len(config.block_channels),
            block_out_channels=config.block_channels,
            layers_per_block=config.layers_per_block,
            norm_num_groups=NORM_GROUPS,
        )
        self.map_head = _map_head(base, config.map_width) if config.map_width else None

    def forward(self, hidden: Float[Tensor, "trials latent"]) -> LowLevelOutput:
        smallest = self.dropout(self.linear(hidden)).unflatten(1, self.map_shape)
        smallest = self.norm(smallest)
        maps = self.map_head(smallest).flatten(2).transpose(1, 2) if self.map_head else None
        return LowLevelOutput(latents=self.upsampler(smallest), maps=maps)


def _map_head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=1, bias=False),
        nn.GroupNorm(1, width),
        nn.ReLU(),
        nn.Conv2d(width, width, kernel_size=1, bias=False),
        nn.GroupNorm(1, width),
        nn.ReLU(),
        nn.Conv2d(width, width, kernel_size=1),
    )
