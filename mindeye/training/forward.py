"""All that a step computes before its update, as one module."""

import torch
from torch import Tensor, nn

from mindeye.models.decoder import Decoder
from mindeye.quirks import Quirks
from mindeye.targets.vae import VaeTarget
from mindeye.training.experiment import LossConfig
from mindeye.training.objective import StepBatch, step_losses
from mindeye.training.schedule import Phase


class StepForward(nn.Module):
    """Decoder and losses behind one `forward`: what accelerate wraps and torch compiles.

    The prior's loss asks a part of the decoder alone; around the decoder, a wrapper of several
    processes would not see it.
    """

    def __init__(self, decoder: Decoder, vae: VaeTarget | None = None) -> None:
        super().__init__()
        self.decoder = decoder
        # No module: its weights are frozen, and nobody's to wrap or to save.
        self.vae = vae

    def forward(
        self,
        batch: StepBatch,
        config: LossConfig,
        phase: Phase,
        quirks: Quirks,
        generator: torch.Generator,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """See `step_losses`."""
        return step_losses(self.decoder, batch, config, phase, quirks, generator, self.vae)
