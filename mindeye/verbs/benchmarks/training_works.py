"""The training steps that are compared: sizes, variants, made-up data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch
from accelerate import Accelerator
from open_clip.transformer import VisionTransformer
from torch import Tensor

from mindeye.models.architecture import DecoderConfig
from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.token_head import TokenCodeHeadConfig
from mindeye.quirks import Quirks
from mindeye.run import RunFolder
from mindeye.training.compute import ComputeConfig, accelerate_precision, arrange
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
from mindeye.verbs.benchmarks.plain_step import PlainWays, embedded, plain_losses

TEMPERATURE, SEED = 0.006, 0
# A step, and what its losses and monitors were.
Step = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of decoder and CLIP."""

    voxels: int = 15_724
    width: int = 4096
    num_blocks: int = 4
    token_width: int = 768
    contrastive_width: int = 2048
    prior_depth: int = 6
    clip_layers: int = 24
    clip_width: int = 1024
    side: int = 224
    code_width: int = 128

    @property
    def num_tokens(self) -> int:
        return (self.side // 14) ** 2 + 1

    def decoder(self, *, is_compact: bool = False) -> DecoderConfig:
        """MindEye1's, subject 1, without low-level network."""
        return DecoderConfig(
            backbone=BackboneConfig(width=self.width, num_blocks=self.num_blocks),
            contrastive_width=self.contrastive_width,
            prior=PublishedPriorConfig(depth=self.prior_depth, num_heads=self.token_width // 64),
            token_head=TokenCodeHeadConfig(code_width=self.code_width) if is_compact else None,
            low_level=None,
        )


SMALL = {"voxels": 2000, "width": 512, "num_blocks": 2, "token_width": 192}
SIZES = MappingProxyType(
    {
        "full": Size(),
        "small": Size(
            **SMALL,
            contrastive_width=512,
            prior_depth=2,
            clip_layers=4,
            clip_width=256,
            side=112,
            code_width=32,
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to compute a step."""

    what: str
    is_ours: bool = False
    is_cached: bool = True
    is_fused: bool = False
    ways: PlainWays = field(default_factory=PlainWays)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    is_compact: bool = False
    same_numbers: bool = True
    """Whether its losses must be those of the plain step."""


def _ours(what: str, *, is_compact: bool = False, exact: bool = True, **options) -> Variant:
    return Variant(
        what=what,
        is_ours=True,
        compute=ComputeConfig(**options),
        is_compact=is_compact,
        same_numbers=exact and not is_compact,
    )


_HALF, _ALL = {"precision": "bfloat16"}, {"free_gradients": True, "recompute_blocks": True}
VARIANTS = MappingProxyType(
    {
        "plain": Variant(what="as published, in float32", is_cached=False),
        "cached": Variant(what="plain, CLIP's tokens from a cache"),
        "fused": Variant(what="plain, AdamW fused", is_cached=False, is_fused=True),
        "attention": Variant(
            what="plain, fused attention with bias",
            is_cached=False,
            ways=PlainWays(fused_attention=True),
        ),
        "matrix": Variant(
            what="plain, losses and monitors from one matrix",
            is_cached=False,
            ways=PlainWays(one_matrix=True),
        ),
        "ours": _ours("ours: all of these, the same numbers"),
        "ours-bfloat16": _ours("ours, products in bfloat16", exact=False, **_HALF),
        "compact": _ours("ours, compact token head", is_compact=True),
        "compact-bfloat16": _ours("ours, compact, bfloat16", is_compact=True, **_HALF),
        "half-moments": _ours(
            "ours, AdamW's moments in bfloat16", exact=False, optimizer_state="bfloat16"
        ),
        "int8-moments": _ours("ours, AdamW's moments in int8", exact=False, optimizer_state="int8"),
        "freed": _ours("ours, gradients freed in the backward pass", free_gradients=True),
        "recomputed": _ours("ours, blocks recomputed", recompute_blocks=True),
        "least-memory": _ours(
            "ours, moments in bfloat16, gradients freed, blocks recomputed",
            exact=False,
            optimizer_state="bfloat16",
            **_ALL,
        ),
    }
)


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
