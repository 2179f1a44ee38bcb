"""What all steps of a training share."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from mindeye.models.decoder import Decoder
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.length import TrainingLength, length_of
from mindeye.training.share import Share, own_shares
from mindeye.training.subjects import Material


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    config: ExperimentConfig
    run: RunFolder
    accelerator: Accelerator
    wrapped: nn.Module
    """`StepForward` of the decoder, as accelerate has prepared it for this process."""
    optimizer: torch.optim.Optimizer
    material: Material

    @property
    def decoder(self) -> Decoder:
        """The decoder itself."""
        return self.accelerator.unwrap_model(self.wrapped).decoder

    @property
    def length(self) -> TrainingLength:
        return length_of(self.config.schedule, self.material.num_images_of)

    def shares(self, num_trials: int) -> list[Share]:
        """What this process computes of a batch, in turns that fit into memory."""
        return own_shares(
            num_trials,
            process=self.accelerator.process_index,
            num_processes=self.accelerator.num_processes,
            micro_batch=self.config.schedule.micro_batch,
        )
