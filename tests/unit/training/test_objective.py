from dataclasses import replace

import pytest
import torch

from mindeye.models.decoder import Decoder
from mindeye.training.experiment import LossConfig
from mindeye.training.objective import TargetBatch, drawn_repeats, step_losses
from mindeye.types import RepeatBatch


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def repeats(images: int = 300) -> RepeatBatch:
    """Voxel r of repeat r is 1: what was drawn tells of which repeats it is the mean."""
    present = torch.ones(images, 3, dtype=torch.bool)
    present[::2, 2] = False
    return RepeatBatch(
        subject=1,
        betas=torch.eye(3).expand(images, 3, 3) * present.unsqueeze(-1),
        present=present,
        image_ids=torch.arange(images),
    )


def test_without_means_every_scan_is_one_repeat_that_is_present():
    drawn = drawn_repeats(repeats(), 0.0, seeded())
    assert ((drawn == 1).sum(1) == 1).all()
    torch.testing.assert_close(drawn.sum(1), torch.ones(300))
    assert (drawn[::2, 2] == 0).all()
    assert drawn[1::2].sum(0).min() > 30


def test_a_mean_is_over_a_random_subset_and_never_empty():
    drawn = drawn_repeats(repeats(), 1.0, seeded())
    torch.testing.assert_close(drawn.sum(1), torch.ones(300))
    assert (drawn[::2, 2] == 0).all()
    sizes = (drawn[1::2] > 0).sum(1)
    assert set(sizes.tolist()) == {1, 2, 3}
    torch.testing.assert_close(drawn.max(1).values, 1 / (drawn > 0).sum(1))


def test_means_come_with_the_chance_asked_for():
    one, half = (drawn_repeats(repeats(), share, seeded()) for share in (1.0, 0.5))
    assert ((half > 0).sum(1) > 1).sum() < ((one > 0).sum(1) > 1).sum()


def test_the_draw_follows_from_the_generator_and_leaves_the_batch():
    batch = repeats()
    first, second = (drawn_repeats(batch, 0.5, seeded(3)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first, drawn_repeats(batch, 0.5, seeded(4)))
    torch.testing.assert_close(batch.betas, repeats().betas, rtol=0, atol=0)


@pytest.fixture
def decoder(tiny_experiment) -> Decoder:
    torch.manual_seed(0)
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    return Decoder(tiny_experiment.decoder, num_voxels_of={1: 20}, **shapes).eval()


def targets(trials: int = 8) -> TargetBatch:
    return TargetBatch(
        tokens=torch.randn(trials, 5, 16, generator=seeded(5)) / 4,
        latents=torch.randn(trials, 4, 8, 8, generator=seeded(6)),
    )


def losses_of(decoder: Decoder, config: LossConfig, share_done: float, seed: int = 0):
    betas = torch.randn(8, 20, generator=seeded(7))
    return step_losses(decoder, betas, 1, targets(), config, share_done, seeded(seed))


def test_losses_carry_their_weights(decoder):
    config = LossConfig(prior=1.0, low_level=1.0)
    plain, _ = losses_of(decoder, config, 0.9)
    heavy, _ = losses_of(decoder, replace(config, prior=3.0, low_level=0.5), 0.9)
    torch.testing.assert_close(heavy["prior"], 3 * plain["prior"])
    torch.testing.assert_close(heavy["low_level"], plain["low_level"] / 2)
    torch.testing.assert_close(heavy["contrastive"], plain["contrastive"])


def test_scans_are_mixed_in_the_first_phase_only(decoder):
    config = LossConfig(mixco_phase=1 / 3, mixco_temperature=0.05, soft_temperatures=(0.05, 0.05))
    others = replace(config, mixco_share=0.0)
    for share_done, mixes in [(0.0, True), (0.33, True), (0.34, False), (0.99, False)]:
        ours, plain = (losses_of(decoder, one, share_done)[0] for one in (config, others))
        same = torch.equal(ours["low_level"], plain["low_level"])
        assert same != mixes, share_done


def test_a_mixed_scan_wants_the_tokens_and_latents_of_its_larger_part(decoder, monkeypatch):
    labels = torch.eye(8)
    labels[2, 2], labels[2, 5] = 0.2, 0.8
    monkeypatch.setattr("mindeye.training.objective.mixing_matrix", lambda *_, **__: labels)
    wanted = []
    monkeypatch.setattr(
        "mindeye.training.objective.latent_distance",
        lambda predicted, latents: wanted.append(latents) or torch.zeros(()),
    )
    losses_of(decoder, LossConfig(), 0.0)
    torch.testing.assert_close(wanted[0], targets().latents[[0, 1, 5, 3, 4, 5, 6, 7]])


def test_the_temperature_of_the_second_phase_runs_over_that_phase(decoder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mindeye.training.objective.soft_contrastive",
        lambda brain, images, temperature: seen.append(temperature) or torch.zeros(()),
    )
    config = LossConfig(mixco_phase=0.5, soft_temperatures=(0.1, 0.3))
    for share_done in (0.5, 0.75, 1.0):
        losses_of(decoder, config, share_done)
    assert seen == pytest.approx([0.1, 0.2, 0.3])


def test_the_priors_loss_sees_as_many_trials_as_told(decoder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        decoder.prior,
        "loss",
        lambda brain, images, generator: seen.append((len(brain), len(images))) or torch.zeros(()),
    )
    losses_of(decoder, LossConfig(prior_trials=3), 0.9)
    losses_of(decoder, LossConfig(prior_trials=None), 0.9)
    assert seen == [(3, 3), (8, 8)]


def test_losses_follow_from_the_generator_alone(decoder):
    for share_done in (0.0, 0.9):
        first, second = (losses_of(decoder, LossConfig(), share_done, seed=4) for _ in range(2))
        assert {name: value.item() for name, value in first[0].items()} == {
            name: value.item() for name, value in second[0].items()
        }


def test_a_decoder_without_low_level_head_has_no_such_loss(tiny_experiment):
    config = replace(tiny_experiment.decoder, low_level=None)
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(config, num_voxels_of={1: 20}, **shapes)
    losses, monitors = losses_of(decoder, LossConfig(), 0.5)
    assert losses.keys() == {"contrastive", "prior"}
    assert monitors.keys() == {"top1"}
