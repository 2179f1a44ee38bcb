"""What one training step computes and keeps in memory, counted without computing it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from mindeye.models.decoder import Decoder
from mindeye.training.compute import arrange
from mindeye.training.decoded_pictures import comparable
from mindeye.training.drawn_step import DrawnStep, StepBatch, TargetBatch, drawn_step
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.forward import StepForward
from mindeye.training.length import TrainingLength
from mindeye.training.networks import FrozenNetworks
from mindeye.training.schedule import Phase
from mindeye.training.share import whole
from mindeye.training.starting import training_mode
from mindeye.types import SubjectBatch


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """Of one process that computes the whole batch."""

    flop: int
    """Of products of matrices, convolutions and attention, forward and backward; a multiplication
    and its addition are two."""
    target_flop: int
    """Of the frozen networks that look at every picture anew, forward."""
    activation_bytes: int
    """What is kept for the way back, in float32; of a part of the batch where it is taken in
    several (`schedule.micro_batch`)."""


def step_cost(
    decoder: Decoder, config: ExperimentConfig, length: TrainingLength, networks: FrozenNetworks
) -> StepCost:
    """Counts the first step, on tensors without memory.

    Args:
        decoder: on the meta device, with those parts frozen that are not trained.
    """
    batch, phase = config.schedule.batch, length.phase(0, config.losses, by_epoch=False)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with fake:
        # Fake tensors of a CPU take the ways of a CPU through attention; meta tensors do not.
        decoder.to_empty(device="cpu")
    # Compiled, it computes the same.
    arrange(decoder, replace(config.compute, compile=None))
    step = _first_step(decoder, config, length, networks, phase)
    training_mode(decoder)
    kept = KeptTensors(decoder)
    with fake, FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(kept.keep, lambda tensor: tensor):
            losses, _ = StepForward(decoder, networks.vae)(step, config.losses, phase, whole(batch))
        forward = counter.get_total_flops()
        sum(losses.values()).backward()
    flop, at_once = counter.get_total_flops(), config.schedule.micro_batch or batch
    return StepCost(
        # Outputs that contrasts compare are computed once more where the batch is taken in parts.
        flop=flop + (forward if at_once < batch else 0),
        target_flop=_target_flop(networks, batch),
        activation_bytes=kept.num_bytes * min(at_once, batch) // batch,
    )


class KeptTensors:
    """Adds up what autograd keeps, each storage once, and weights never."""

    def __init__(self, decoder: Decoder) -> None:
        self.weights = {_storage(one) for one in decoder.parameters()}
        # Held, so that no storage takes the place of one that has gone.
        self.tensors: dict[int, Tensor] = {}

    def keep(self, tensor: Tensor) -> Tensor:
        if _storage(tensor) not in self.weights:
            self.tensors[_storage(tensor)] = tensor
        return tensor

    @property
    def num_bytes(self) -> int:
        return sum(one.untyped_storage().nbytes() for one in self.tensors.values())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _first_step(
    decoder: Decoder,
    config: ExperimentConfig,
    length: TrainingLength,
    networks: FrozenNetworks,
    phase: Phase,
) -> DrawnStep:
    """A batch of nothing in particular, of the right shapes."""
    rows_of = next(length.batches(config.seed, first=0)).rows_of
    voxels_of = {int(one): layer.in_features for one, layer in decoder.ridge.layers.items()}
    parts = [
        SubjectBatch(
            subject=one,
            betas=torch.zeros(len(rows), voxels_of[one]),
            image_ids=torch.zeros(len(rows), dtype=torch.long),
        )
        for one, rows in rows_of.items()
    ]
    batch = config.schedule.batch
    maps, pictures = None, None
    if networks.teacher:
        maps = torch.zeros(batch, *networks.teacher.map_shape)
    if config.losses.of_decoded:
        side = networks.vae.latent_shape[-1] * networks.vae.factor
        pictures = comparable(torch.zeros(batch, 3, side, side), networks.vae, config.losses)
    targets = TargetBatch(
        tokens=torch.zeros(batch, *networks.clip.token_shape),
        latents=torch.zeros(batch, *networks.vae.latent_shape),
        maps=maps,
        augmented_maps=maps,
        pictures=pictures,
    )
    generator = torch.Generator().manual_seed(config.seed)
    step = StepBatch(parts=parts, targets=targets)
    quirks = config.quirks.resolved()
    return drawn_step(decoder.prior, step, config.losses, phase, quirks, generator)


@torch.no_grad()
def _target_flop(networks: FrozenNetworks, batch: int) -> int:
    """Of CLIP and the teacher where their pictures change in every step; counted on one picture."""
    if networks.num_views is not None:
        return 0
    flop = 0
    if networks.augmentation:
        side = networks.clip.side
        with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
            networks.clip.tokens(torch.zeros(1, 3, side, side))
        flop += counter.get_total_flops()
    if networks.teacher:
        side = networks.teacher.side
        with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
            networks.teacher.maps(torch.zeros(1, 3, side, side))
        flop += counter.get_total_flops()
    return batch * flop
