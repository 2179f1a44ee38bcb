"""MindEye2's backbone, which only adds one learned number to the shared latent."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class MixerBackboneConfig:
    width: int = 4096
    """Width of the shared latent."""
    num_blocks: int = 4
    keep_idle: bool = False
    """Whether to hold the published weights that no output depends on; they get no gradient."""


class MixerBackbone(nn.Module):
    """The shared latent plus one number.

    As published, each block mixes the latent's features and then its sequence. But the sequence
    has length 1, the norm over it gives a constant, and the residual path around the second half
    leaves the first one out: what remains is one scalar a block. 134 million weights at full
    size lead nowhere; `keep_idle` holds them for who wants the checkpoint back whole.

    Source: MindEye2 (arXiv:2403.11207), released code with seq_len 1; differs: the idle weights
    are not multiplied with anything.
    """

    def __init__(self, config: MixerBackboneConfig) -> None:
        super().__init__()
        self.scalars = nn.ModuleList(ScalarMixer() for _ in range(config.num_blocks))
        self.idle = (
            nn.ModuleList(_idle_block(config.width) for _ in range(config.num_blocks))
            if config.keep_idle
            else None
        )

    @property
    def bias(self) -> Float[Tensor, ""]:
        """The number that is added."""
        return torch.stack([scalar() for scalar in self.scalars]).sum()

    def forward(self, latent: Float[Tensor, "trials latent"]) -> Float[Tensor, "trials latent"]:
        return latent + self.bias.to(latent) if len(self.scalars) else latent


class ScalarMixer(nn.Module):
    """What a mixer over a sequence of length 1 amounts to: a number."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))
        self.first = nn.Linear(1, 1)
        self.second = nn.Linear(1, 1)

    def forward(self) -> Float[Tensor, ""]:
        return self.second(functional.gelu(self.first(self.bias))).squeeze(0)


def _idle_block(width: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "norm": nn.LayerNorm(width),
            "first": nn.Linear(width, width),
            "second": nn.Linear(width, width),
            "gain": nn.ParameterList([torch.ones(1)]),
        }
    )
