"""What a training will cost, before it costs it."""

from dataclasses import dataclass

import torch

from mindeye.data.batches import PreparedSubject, epoch_order
from mindeye.models.decoder import Decoder
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.experiment import ExperimentConfig

# Float32 weights, gradients and AdamW's two moments.
BYTES_PER_PARAMETER = 16


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    parameters_of: dict[str, int]
    """Part of the decoder -> its number of parameters."""
    num_steps: int
    images_of: dict[int, int]
    """Subject -> training images."""

    @property
    def num_parameters(self) -> int:
        return sum(self.parameters_of.values())

    @property
    def num_bytes(self) -> int:
        """Weights, gradients and optimizer state; activations come on top."""
        return self.num_parameters * BYTES_PER_PARAMETER


def plan_of(config: ExperimentConfig) -> TrainingPlan:
    """Counts without allocating the decoder; reads manifests, trains nothing."""
    prepared = [PreparedSubject(path) for path in config.data]
    token_shape = load_clip(config.clip).token_shape
    latent_shape = load_vae(config.vae).latent_shape
    with torch.device("meta"):
        decoder = Decoder(
            config.decoder,
            num_voxels_of={one.subject: one.num_voxels for one in prepared},
            token_shape=token_shape,
            latent_shape=latent_shape,
        )
    images_of = {one.subject: one.manifest["splits"]["train"]["num_images"] for one in prepared}
    batch = config.schedule.batch
    steps = sum(len(epoch_order(images, batch, 0, 0)) for images in images_of.values())
    return TrainingPlan(
        parameters_of={
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in decoder.named_children()
        },
        num_steps=steps * config.schedule.num_epochs,
        images_of=images_of,
    )
