"""The whole trainable decoder: ridge -> backbone -> three heads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from mindeye.models.backbone import Backbone, BackboneConfig, TokenHead
from mindeye.models.contrastive_head import ContrastiveHead
from mindeye.models.low_level import LowLevelConfig, LowLevelHead
from mindeye.models.prior import DiffusionPrior, PriorConfig
from mindeye.models.ridge import SubjectRidge


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    contrastive_width: int = 2048
    """Hidden width of the contrastive head."""
    prior: PriorConfig = field(default_factory=PriorConfig)
    low_level: LowLevelConfig | None = field(default_factory=LowLevelConfig)
    """None: no blurry reconstruction."""


class DecoderOutput(NamedTuple):
    brain_tokens: Float[Tensor, "trials tokens width"]
    embeddings: Float[Tensor, "trials features"]
    latents: Float[Tensor, "trials channels rows columns"] | None


class Decoder(nn.Module):
    """Betas of a known subject -> brain tokens, embeddings, latents; the prior is sampled apart."""

    def __init__(
        self,
        config: DecoderConfig,
        *,
        num_voxels_of: Mapping[int, int],
        token_shape: tuple[int, int],
        latent_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        width = config.backbone.width
        self.ridge = SubjectRidge(num_voxels_of, width)
        self.backbone = Backbone(config.backbone)
        self.token_head = TokenHead(width, *token_shape)
        self.contrastive_head = ContrastiveHead(token_shape[1], config.contrastive_width)
        self.prior = DiffusionPrior(config.prior, *token_shape)
        self.low_level = (
            LowLevelHead(width, latent_shape, config.low_level) if config.low_level else None
        )

    def forward(self, betas: Float[Tensor, "trials voxels"], subject: int) -> DecoderOutput:
        hidden = self.backbone(self.ridge(betas, subject))
        brain_tokens = self.token_head(hidden)
        return DecoderOutput(
            brain_tokens=brain_tokens,
            embeddings=self.contrastive_head(brain_tokens),
            latents=self.low_level(hidden) if self.low_level else None,
        )
