"""All that a step computes before its update, as one module."""

from torch import Tensor, nn

from mindeye.models.decoder import Decoder
from mindeye.targets.vae import VaeTarget
from mindeye.training.drawn_step import DrawnStep
from mindeye.training.experiment import LossConfig
from mindeye.training.objective import outputs_for_contrast, step_losses
from mindeye.training.schedule import Phase
from mindeye.training.share import Share


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
        step: DrawnStep,
        config: LossConfig,
        phase: Phase | None,
        share: Share,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """See `step_losses`; without a phase only `outputs_for_contrast`, in the second place."""
        if phase is None:
            return {}, outputs_for_contrast(self.decoder, step, config, share)
        return step_losses(self.decoder, step, config, phase, share, self.vae)
