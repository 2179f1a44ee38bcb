"""What all steps of a training share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from mindeye.models.decoder import Decoder
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.length import TrainingLength, length_of
from mindeye.training.loss_watch import LossWatch
from mindeye.training.sharded import gathered_by, load_optimizer, load_weights
from mindeye.training.share import Share, in_turns, process_share
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
    watch: LossWatch
    """To be asked by whoever needs losses, and before a checkpoint is written."""

    @property
    def decoder(self) -> Decoder:
        """The decoder itself."""
        return self.accelerator.unwrap_model(self.wrapped).decoder

    @property
    def length(self) -> TrainingLength:
        return length_of(self.config.schedule, self.material.num_images_of)

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds a part of the weights alone."""
        return isinstance(self.wrapped, FSDPModule)

    def share(self, num_trials: int) -> Share:
        """What this process computes of a batch."""
        processes = self.accelerator.num_processes
        return process_share(num_trials, self.accelerator.process_index, processes)

    def shares(self, num_trials: int) -> list[Share]:
        """The same in turns that fit into memory."""
        return in_turns(self.share(num_trials), self.config.schedule.micro_batch)

    def full_weights(self) -> dict[str, Tensor | None]:
        """The decoder's weights; all processes must ask, for each may hold a part.

        Those that were in parts, the main process alone has whole; the others have None.
        """
        return gathered_by(self.decoder.state_dict(), self.accelerator.is_main_process)

    def full_optimizer(self) -> dict[str, Any]:
        """The optimizer's state, likewise."""
        return gathered_by(self.optimizer.state_dict(), self.accelerator.is_main_process)

    def load(self, weights: Mapping[str, Tensor], optimizer: Mapping[str, Any]) -> None:
        """Takes over what `full_weights` and `full_optimizer` gave, in whatever processes."""
        load_weights(self.decoder, weights)
        load_optimizer(self.optimizer, optimizer)
