"""The whole trainable decoder: ridge -> backbone -> three heads."""

from collections.abc import Mapping
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from mindeye.models.architecture import Architecture, DecoderConfig
from mindeye.models.backbone import Backbone, BackboneConfig
from mindeye.models.contrastive_head import ContrastiveHead, embedding_of
from mindeye.models.hub import OnHub
from mindeye.models.low_level import LowLevelConfig, LowLevelHead
from mindeye.models.low_level_network import (
    LowLevelNetwork,
    LowLevelOutput,
    LowLevelPath,
)
from mindeye.models.mixer_backbone import MixerBackbone
from mindeye.models.prior import DiffusionPrior, PriorConfig
from mindeye.models.published_prior import PublishedPrior
from mindeye.models.ridge import SubjectRidge
from mindeye.models.token_head import new_token_head


class DecoderOutput(NamedTuple):
    brain_tokens: Float[Tensor, "trials tokens width"]
    retrieval_tokens: Float[Tensor, "trials tokens width"]
    """What the contrastive head makes of the brain tokens."""
    low_level_latents: Float[Tensor, "trials channels rows columns"] | None
    low_level_maps: Float[Tensor, "trials places width"] | None
    """Of the published low-level networks alone, for their auxiliary loss."""

    @property
    def embeddings(self) -> Float[Tensor, "trials features"]:
        """The retrieval tokens of a trial as one unit vector."""
        return embedding_of(self.retrieval_tokens)


class Decoder(nn.Module, OnHub):
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
        self.config = config
        self.latent_shape = latent_shape
        width = config.backbone.width
        self.ridge = SubjectRidge(num_voxels_of, width)
        self.backbone = (
            Backbone(config.backbone)
            if isinstance(config.backbone, BackboneConfig)
            else MixerBackbone(config.backbone)
        )
        self.token_head = new_token_head(config.token_head, width, *token_shape)
        self.contrastive_head = ContrastiveHead(token_shape[1], config.contrastive_width)
        self.prior = (
            DiffusionPrior(config.prior, *token_shape)
            if isinstance(config.prior, PriorConfig)
            else PublishedPrior(config.prior, *token_shape)
        )
        self.low_level_path, self.low_level = None, None
        if isinstance(config.low_level, LowLevelConfig):
            self.low_level = LowLevelHead(width, latent_shape, config.low_level)
        elif config.low_level:
            if config.low_level.path:
                self.low_level_path = LowLevelPath(config.low_level.path, num_voxels_of)
                width = config.low_level.path.width
            self.low_level = LowLevelNetwork(width, latent_shape, config.low_level)

    @classmethod
    def of(cls, architecture: Architecture) -> "Decoder":
        """An untrained decoder."""
        return cls(
            architecture.decoder,
            num_voxels_of=architecture.num_voxels_of,
            token_shape=architecture.token_shape,
            latent_shape=architecture.latent_shape,
        )

    @property
    def architecture(self) -> Architecture:
        """What an equal decoder is built from."""
        return Architecture(
            decoder=self.config,
            num_voxels_of={
                int(subject): layer.in_features for subject, layer in self.ridge.layers.items()
            },
            token_shape=self.token_head.token_shape,
            latent_shape=self.latent_shape,
        )

    @property
    def subjects(self) -> tuple[int, ...]:
        """Those with a ridge layer, in its order."""
        return tuple(int(subject) for subject in self.ridge.layers)

    def forward(self, betas: Float[Tensor, "trials voxels"], subject: int) -> DecoderOutput:
        hidden = self.backbone(self.ridge(betas, subject))
        brain_tokens = self.token_head(hidden)
        retrieval_tokens = self.contrastive_head(brain_tokens)
        latents, maps = None, None
        if self.low_level:
            latents, maps = self._blurry(betas, subject, hidden)
        return DecoderOutput(brain_tokens, retrieval_tokens, latents, maps)

    def blurry(self, betas: Float[Tensor, "trials voxels"], subject: int) -> LowLevelOutput:
        """What the low-level head says, and nothing else is computed.

        Raises:
            ValueError: a decoder without low-level head.
        """
        if not self.low_level:
            raise ValueError("This decoder has no low-level head. Configure decoder.low_level.")
        hidden = None if self.low_level_path else self.backbone(self.ridge(betas, subject))
        return self._blurry(betas, subject, hidden)

    def _blurry(
        self,
        betas: Float[Tensor, "trials voxels"],
        subject: int,
        hidden: Float[Tensor, "trials latent"] | None,
    ) -> LowLevelOutput:
        if self.low_level_path:
            hidden = self.low_level_path(betas, subject)
        output = self.low_level(hidden)
        return output if isinstance(output, LowLevelOutput) else LowLevelOutput(output, None)
