"""The backbone: shared latent -> residual blocks -> hidden state."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    width: int = 4096
    """Width of the shared latent."""
    num_blocks: int = 4
    input_dropout: float = 0.5
    block_dropout: float = 0.15


class Backbone(nn.Module):
    """Residual MLP of MindEye1 (arXiv:2305.18274, A.3) behind the subject's ridge layer."""

    def __init__(
        self, config: BackboneConfig, *, activation: type[nn.Module] = nn.GELU, bias: bool = True
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.LayerNorm(config.width), activation(), nn.Dropout(config.input_dropout)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(config.width, config.width, bias=bias),
                nn.LayerNorm(config.width),
                activation(),
                nn.Dropout(config.block_dropout),
            )
            for _ in range(config.num_blocks)
        )

    def forward(self, latent: Float[Tensor, "trials latent"]) -> Float[Tensor, "trials latent"]:
        hidden = self.enter(latent)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return hidden
