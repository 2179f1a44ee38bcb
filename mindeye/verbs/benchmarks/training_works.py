"""The training steps that are compared, on made-up data."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from open_clip.transformer import VisionTransformer
from torch import Tensor

from mindeye.models.decoder import Decoder
from mindeye.quirks import Quirks
from mindeye.run import RunFolder
from mindeye.training.compute import accelerate_precision, arrange
from mindeye.training.drawn_step import StepBatch, TargetBatch, drawn_step
from mindeye.training.experiment import ExperimentConfig, LossConfig
from mindeye.training.forward import StepForward
from mindeye.training.loss_watch import LossWatch
from mindeye.training.networks import open_networks
from mindeye.training.optimizer import decay_groups, new_optimizer
from mindeye.training.order import derived_seed
from mindeye.training.schedule import Phase
from mindeye.training.state import TrainingState
from mindeye.training.step import one_step
from mindeye.training.subjects import Material
from mindeye.types import SubjectBatch
from mindeye.verbs.benchmarks.plain_step import embedded, plain_losses
from mindeye.verbs.benchmarks.training_variants import Size, Variant

TEMPERATURE, SEED = 0.006, 0
# A step, and what its losses and monitors were.
Step = Callable[[int], Mapping[str, float]]


def new_step(variant: Variant, size: Size, batch: int, device: torch.device, cache: Path) -> Step:
    """The step of a variant with weights, data and dropout that are the same in all.

    Args:
        cache: CLIP's tokens of the made-up pictures, as `cached_tokens` gives them.
    """
    torch.manual_seed(SEED)
    shapes = {"token_shape": (size.num_tokens, size.token_width), "latent_shape": (4, 8, 8)}
    config = ExperimentConfig(
        data=(),
        decoder=size.decoder(is_compact=variant.is_compact),
        losses=LossConfig(low_level=0.0),
        quirks=Quirks(compat="mindeye1", washed_out_targets=False),
        compute=variant.compute,
    )
    with device:
        decoder = Decoder(config.network, num_voxels_of={1: size.voxels}, **shapes)
    tokens = torch.load(cache, weights_only=True, mmap=True) if variant.is_cached else None
    make = _our_step if variant.is_ours else _plain_step
    return make(variant, config, decoder, size, batch, device, tokens)


def _our_step(variant, config, decoder, size, batch, device, tokens) -> Step:
    # Networks of a training are part of its state; no step asks them here.
    networks = open_networks(ExperimentConfig(data=()))
    arrange(decoder, config.compute)
    optimizer = new_optimizer(decoder, config.schedule, config.compute, config.quirks)
    accelerator = Accelerator(
        cpu=device.type == "cpu", mixed_precision=accelerate_precision(config.compute)
    )
    wrapped, optimizer = accelerator.prepare(StepForward(decoder), optimizer)
    state = TrainingState(
        config=config,
        run=RunFolder(path=Path()),
        accelerator=accelerator,
        wrapped=wrapped,
        optimizer=optimizer,
        material=Material(subjects={}, networks=networks),
        watch=LossWatch.on(device),
    )

    def step(number: int) -> Mapping[str, float]:
        scans = _batch(size, batch, number, device, tokens[number])
        generator = torch.Generator().manual_seed(number)
        one_step(state, scans, number, _phase(number), generator)
        return state.watch.latest

    return step


def _plain_step(variant, config, decoder, size, batch, device, tokens) -> Step:
    groups = decay_groups(decoder, config.schedule.weight_decay, None, config.quirks)
    rate = config.schedule.learning_rate
    optimizer = torch.optim.AdamW(groups, lr=rate, fused=variant.is_fused or None)
    visual = None if variant.is_cached else made_up_clip(size, device)
    quirks = config.quirks.resolved()

    def step(number: int) -> Mapping[str, float]:
        optimizer.zero_grad()
        if visual is None:
            images = tokens[number]
        else:
            images = embedded(visual, made_up_pictures(size, batch, number).to(device))
        phase = _phase(number)
        scans = _batch(size, batch, number, device, images)
        generator = torch.Generator().manual_seed(number)
        drawn = drawn_step(decoder.prior, scans, config.losses, phase, quirks, generator)
        # Dropout as in our step.
        torch.manual_seed(derived_seed(config.seed, number, 1))
        losses, monitors = plain_losses(
            decoder, drawn, phase.temperature, phase.mixes, variant.ways
        )
        sum(losses.values()).backward()
        optimizer.step()
        values = {**losses, **monitors}
        return {name: float(torch.as_tensor(one).detach()) for name, one in values.items()}

    return step


def _phase(number: int) -> Phase:
    return Phase(mixes=number % 2 == 0, temperature=TEMPERATURE)


def _batch(size: Size, batch: int, number: int, device: torch.device, tokens: Tensor) -> StepBatch:
    generator = torch.Generator().manual_seed(1000 + number)
    betas = torch.randn(batch, size.voxels, generator=generator)
    part = SubjectBatch(subject=1, betas=betas.to(device), image_ids=torch.arange(batch))
    latents = torch.zeros(batch, 4, 8, 8, device=device)
    return StepBatch(
        parts=[part], targets=TargetBatch(tokens=tokens.clone().to(device), latents=latents)
    )


def made_up_pictures(size: Size, batch: int, number: int) -> Tensor:
    """Noise, normalised as CLIP's pictures are."""
    generator = torch.Generator().manual_seed(2000 + number)
    return torch.randn(batch, 3, size.side, size.side, generator=generator)


def made_up_clip(size: Size, device: torch.device) -> VisionTransformer:
    """A vision tower of ViT-L/14's class with random weights."""
    with torch.random.fork_rng(), device:
        torch.manual_seed(SEED)
        visual = VisionTransformer(
            image_size=size.side,
            patch_size=14,
            width=size.clip_width,
            layers=size.clip_layers,
            heads=size.clip_width // 64,
            mlp_ratio=4.0,
            output_dim=size.token_width,
        )
    return visual.eval().requires_grad_(False)


def cached_tokens(size: Size, batch: int, num_steps: int, device: torch.device) -> Tensor:
    """CLIP's tokens of all steps' pictures."""
    visual = made_up_clip(size, device)
    rows = [
        embedded(visual, made_up_pictures(size, batch, number).to(device)).cpu()
        for number in range(num_steps)
    ]
    return torch.stack(rows)
