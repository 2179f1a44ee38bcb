"""The low-level head: hidden state -> VAE latents, whose picture is blurry but well placed."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class LowLevelConfig:
    base_channels: int = 64
    """Channels of the smallest map."""
    base_side: int = 4
    """Side of the smallest map; doubled until the latents' side is reached."""
    dropout: float = 0.3


class LowLevelHead(nn.Module):
    """Linear to a small map, then upsampling convolutions (MindEye1, arXiv:2305.18274, A.4)."""

    def __init__(
        self, width: int, latent_shape: tuple[int, int, int], config: LowLevelConfig
    ) -> None:
        super().__init__()
        channels, rows, columns = latent_shape
        doublings = max(0, (rows // config.base_side).bit_length() - 1)
        if rows != columns or config.base_side * 2**doublings != rows:
            raise ValueError(
                f"Latents of {rows} x {columns} cannot be reached by doubling {config.base_side}. "
                "Choose low_level.base_side so that side = base_side x 2^n."
            )
        self.map_shape = (config.base_channels, config.base_side, config.base_side)
        self.linear = nn.Linear(width, config.base_channels * config.base_side**2)
        self.enter = nn.Sequential(
            nn.Dropout(config.dropout), nn.Unflatten(1, self.map_shape), _norm(config.base_channels)
        )
        self.upsampler = nn.Sequential(
            *(_doubling(config.base_channels) for _ in range(doublings)),
            nn.Conv2d(config.base_channels, channels, kernel_size=3, padding=1),
        )

    def forward(
        self, hidden: Float[Tensor, "trials latent"]
    ) -> Float[Tensor, "trials channels rows columns"]:
        return self.upsampler(self.enter(self.linear(hidden)))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


def _doubling(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        _norm(channels),
        nn.SiLU(),
    )
