"""What all steps of a training share."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from mindeye.models.decoder import Decoder
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.length import TrainingLength, length_of
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
