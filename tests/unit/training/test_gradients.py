"""The gradient of a step is that of its whole batch, however many images are in memory."""

from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator

from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.quirks import Quirks
from mindeye.run import RunFolder
from mindeye.training.drawn_step import StepBatch, TargetBatch, drawn_step
from mindeye.training.forward import StepForward
from mindeye.training.gradients import add_gradients
from mindeye.training.loss_watch import LossWatch
from mindeye.training.networks import open_networks
from mindeye.training.objective import step_losses
from mindeye.training.order import derived_seed
from mindeye.training.schedule import Phase
from mindeye.training.share import whole
from mindeye.training.state import TrainingState
from mindeye.training.subjects import Material
from mindeye.types import SubjectBatch

STEP = 3
MIXED, SOFT = Phase(mixes=True, temperature=0.1), Phase(mixes=False, temperature=0.1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch() -> StepBatch:
    """Three trials of subject 1 and five of subject 2."""
    parts = [
        SubjectBatch(
            subject=subject,
            betas=torch.randn(trials, 20, generator=seeded(subject)),
            image_ids=torch.arange(trials),
        )
        for subject, trials in ((1, 3), (2, 5))
    ]
    targets = TargetBatch(
        tokens=torch.randn(8, 5, 16, generator=seeded(5)) / 4,
        latents=torch.randn(8, 4, 8, 8, generator=seeded(6)),
        maps=torch.randn(8, 4, 6, generator=seeded(7)),
        augmented_maps=torch.randn(8, 4, 6, generator=seeded(8)),
    )
    return StepBatch(parts=parts, targets=targets)


@pytest.fixture
def state_of(tiny_experiment, tmp_path):
    """(experiment, micro_batch) -> the state of a training with made-up weights."""

    def made(experiment, micro_batch: int | None) -> TrainingState:
        torch.manual_seed(0)
        shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
        decoder = Decoder(experiment.decoder, num_voxels_of={1: 20, 2: 20, 3: 20}, **shapes)

        schedule = replace(experiment.schedule, micro_batch=micro_batch)
        return TrainingState(
            config=replace(experiment, schedule=schedule),
            run=RunFolder(path=tmp_path),
            accelerator=Accelerator(),
            wrapped=StepForward(decoder),
            optimizer=torch.optim.SGD(decoder.parameters()),
            material=Material(subjects={}, networks=open_networks(tiny_experiment)),
            watch=LossWatch(fetch_every=1),
        )

    return made


def without_dropout(experiment):
    decoder = replace(
        experiment.decoder,
        backbone=BackboneConfig(width=24, num_blocks=1, input_dropout=0.0, block_dropout=0.0),
        low_level=LowLevelConfig(base_channels=8, base_side=4, dropout=0.0),
    )
    return replace(experiment, decoder=decoder)


def published(experiment):
    """A published prior, maps, and a prior that learns of three trials."""
    low_level = PublishedLowLevelConfig(
        base_channels=4, base_side=2, block_channels=(32, 32, 32), map_width=6
    )
    decoder = replace(
        without_dropout(experiment).decoder,
        prior=PublishedPriorConfig(depth=1, num_heads=2, head_width=8),
        low_level=low_level,
    )
    losses = replace(experiment.losses, maps=0.3, prior_trials=3)
    return replace(experiment, decoder=decoder, losses=losses, teacher=experiment.vae)


def low_level_alone(experiment):
    return replace(
        published(experiment),
        losses=replace(experiment.losses, contrastive=0.0, prior=0.0, maps=0.3),
    )


def computed(state: TrainingState, phase: Phase):
    """Losses, monitors and gradients of a step."""
    losses = state.config.losses
    prior = state.decoder.prior
    drawn = drawn_step(prior, batch(), losses, phase, Quirks().resolved(), seeded(9))
    values, monitors = add_gradients(state, drawn, STEP, phase)
    gradients = {name: one.grad for name, one in state.decoder.named_parameters()}
    return values, monitors, gradients


def assert_same_gradient(
    name: str, ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-4
) -> None:
    """Up to the rounding of float32."""
    difference = (ours - theirs).norm().item()
    assert difference <= tolerance * theirs.norm().item() + 1e-6, (name, difference)


@pytest.mark.parametrize("phase", [MIXED, SOFT], ids=["mixed", "soft"])
@pytest.mark.parametrize("micro_batch", [1, 3])
# The published low-level head's absolute differences may change sign by rounding.
@pytest.mark.parametrize(
    ("kind", "tolerance"), [(without_dropout, 1e-5), (published, 1e-3), (low_level_alone, 1e-3)]
)
def test_a_batch_in_turns_has_the_gradient_of_the_batch_at_once(
    tiny_experiment, state_of, kind, tolerance, micro_batch, phase
):
    experiment = kind(tiny_experiment)
    at_once, in_turns = (
        computed(state_of(experiment, size), phase) for size in (None, micro_batch)
    )
    for ours, theirs in zip(in_turns[:2], at_once[:2]):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=1e-6, msg=name)
    for name, gradient in at_once[2].items():
        ours = in_turns[2][name]
        # Of subject 3 there is no trial, so that its optimizer state stays as it is.
        assert (ours is None) == (gradient is None), name
        if gradient is not None:
            assert_same_gradient(name, ours, gradient, tolerance)


def test_both_passes_over_a_batch_in_turns_have_the_same_dropout(tiny_experiment, state_of):
    state = state_of(tiny_experiment, 3)
    _, _, gradients = computed(state, SOFT)
    witness = state_of(tiny_experiment, None).decoder.train()
    # One graph over all turns, each behind the masks that its first trial stands for.
    losses = tiny_experiment.losses
    drawn = drawn_step(witness.prior, batch(), losses, SOFT, Quirks().resolved(), seeded(9))
    turns = [turn.parts(drawn.mixed.parts) for turn in state.shares(8)]
    pieces: dict[int, list] = {1: [], 2: []}
    for parts, first in zip(turns, (0, 3, 6)):
        torch.manual_seed(derived_seed(tiny_experiment.seed, STEP, 1, first))
        for part in parts:
            pieces[part.subject].append(witness(part.betas, part.subject))
    outputs = {
        subject: type(ones[0])(*(None if one[0] is None else torch.cat(one) for one in zip(*ones)))
        for subject, ones in pieces.items()
    }
    witness.forward = lambda betas, subject: outputs[subject]
    values, _ = step_losses(witness, drawn, losses, SOFT, whole(8))
    sum(values.values()).backward()
    for name, parameter in witness.named_parameters():
        if parameter.grad is not None:
            assert_same_gradient(name, gradients[name], parameter.grad)


def test_shares_of_a_step_have_dropout_of_their_own(tiny_experiment, state_of):
    plain, dropped = (computed(state_of(tiny_experiment, size), SOFT)[0] for size in (None, 4))
    assert plain["low_level"] != dropped["low_level"]
