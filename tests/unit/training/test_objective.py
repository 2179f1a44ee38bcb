from dataclasses import replace

import pytest
import torch

from mindeye.losses import Mixing
from mindeye.models.decoder import Decoder
from mindeye.quirks import Quirks
from mindeye.training import drawn_step as drawing
from mindeye.training import objective
from mindeye.training.drawn_step import StepBatch, TargetBatch, drawn_step, mixed_batch
from mindeye.training.experiment import LossConfig
from mindeye.training.objective import step_losses
from mindeye.training.schedule import Phase
from mindeye.training.share import whole
from mindeye.types import SubjectBatch


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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


MIXED, SOFT = Phase(mixes=True, temperature=0.05), Phase(mixes=False, temperature=0.05)


def scans(trials: int = 8, subject: int = 1, voxels: int = 20) -> SubjectBatch:
    betas = torch.randn(trials, voxels, generator=seeded(6 + subject))
    return SubjectBatch(subject=subject, betas=betas, image_ids=torch.arange(trials))


def losses_of(decoder: Decoder, config: LossConfig, phase: Phase, seed: int = 0, **quirks):
    batch = StepBatch(parts=[scans()], targets=targets())
    return losses_of_batch(decoder, batch, config, phase, seed, **quirks)


def losses_of_batch(decoder, batch, config, phase, seed: int = 0, share=None, **quirks):
    resolved = Quirks(**quirks).resolved()
    drawn = drawn_step(decoder.prior, batch, config, phase, resolved, seeded(seed))
    return step_losses(decoder, drawn, config, phase, share or whole(drawn.num_trials))


def test_losses_carry_their_weights(decoder):
    config = LossConfig(prior=1.0, low_level=1.0)
    plain, _ = losses_of(decoder, config, SOFT)
    heavy, _ = losses_of(decoder, replace(config, contrastive=2.0, prior=3.0, low_level=0.5), SOFT)
    torch.testing.assert_close(heavy["prior"], 3 * plain["prior"])
    torch.testing.assert_close(heavy["low_level"], plain["low_level"] / 2)
    torch.testing.assert_close(heavy["contrastive"], 2 * plain["contrastive"])


def test_scans_are_mixed_in_the_first_phase_only(decoder):
    config = LossConfig()
    others = replace(config, mixco_share=0.0)
    for phase in (MIXED, SOFT):
        ours, plain = (losses_of(decoder, one, phase)[0] for one in (config, others))
        same = torch.equal(ours["low_level"], plain["low_level"])
        assert same != phase.mixes


def chosen_mixing(monkeypatch, kept, partner) -> None:
    mixing = Mixing(kept=torch.tensor(kept), partner=torch.tensor(partner))
    monkeypatch.setattr(drawing, "draw_mixing", lambda *_, **__: mixing)


def test_a_mixed_scan_wants_the_tokens_and_latents_of_its_larger_part(decoder, monkeypatch):
    kept = [1.0, 1.0, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0]
    chosen_mixing(monkeypatch, kept, [0, 1, 5, 3, 4, 2, 6, 7])
    wanted = []
    monkeypatch.setattr(
        objective,
        "latent_distance",
        lambda predicted, latents: wanted.append(latents) or torch.zeros(()),
    )
    for unmixed in (False, True):
        losses_of(decoder, LossConfig(), MIXED, unmixed_targets=unmixed)
    torch.testing.assert_close(wanted[0], targets().latents[[0, 1, 5, 3, 4, 5, 6, 7]])
    torch.testing.assert_close(wanted[1], targets().latents)


def mixed_of(parts, **quirks):
    return mixed_batch(parts, LossConfig(), MIXED, Quirks(**quirks).resolved(), seeded())


def test_labels_are_the_matrix_that_mixed_the_scans():
    batch = scans()
    mixed = mixed_of([batch])
    torch.testing.assert_close(mixed.parts[0].betas, mixed.labels @ batch.betas)
    assert not torch.equal(mixed.parts[0].betas, batch.betas)


def test_labels_of_trials_that_are_their_own_partner_are_lost_on_request(monkeypatch):
    chosen_mixing(monkeypatch, [0.4, 1.0, 0.3], [0, 1, 2])
    assert mixed_of([scans(3)]).labels.tolist() == torch.eye(3).tolist()
    lost = mixed_of([scans(3)], lost_labels=True).labels
    torch.testing.assert_close(lost, torch.diag(torch.tensor([0.6, 0.0, 0.7])))


def test_labels_stay_within_a_subject_unless_they_shall_cross(monkeypatch):
    chosen_mixing(monkeypatch, [0.4, 0.8], [1, 0])
    parts = [scans(2), scans(2, subject=2, voxels=7)]
    right = mixed_of(parts).labels
    block = torch.tensor([[0.4, 0.6], [0.2, 0.8]])
    torch.testing.assert_close(right, torch.block_diag(block, block))
    crossed = mixed_of(parts, crossed_labels=True).labels
    torch.testing.assert_close(crossed[:2], right[:2])
    # The second subject's partners are looked for among the first subject's trials.
    expected = torch.tensor([[0.0, 0.6, 0.4, 0.0], [0.2, 0.0, 0.0, 0.8]])
    torch.testing.assert_close(crossed[2:], expected)


def test_trials_of_several_subjects_are_each_others_contrast(tiny_experiment, monkeypatch):
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(tiny_experiment.decoder, num_voxels_of={1: 20, 2: 7}, **shapes).eval()
    parts = [scans(3), scans(5, subject=2, voxels=7)]
    seen = []
    monkeypatch.setattr(
        objective, "soft_contrastive", lambda found, *_: seen.append(found) or torch.zeros(())
    )
    batch = StepBatch(parts=parts, targets=targets(8))
    losses, _ = losses_of_batch(decoder, batch, LossConfig(), SOFT)
    apart = [decoder(part.betas, part.subject).embeddings for part in parts]
    images = torch.nn.functional.normalize(targets(8).tokens.flatten(1), dim=-1)
    torch.testing.assert_close(seen[0], torch.cat(apart) @ images.T)
    assert losses.keys() == {"contrastive", "prior", "low_level"}


def test_the_priors_loss_sees_as_many_trials_as_told(decoder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        decoder.prior,
        "loss_of",
        lambda brain, images, _: seen.append((len(brain), len(images))) or torch.zeros(()),
    )
    losses_of(decoder, LossConfig(prior_trials=3), SOFT)
    losses_of(decoder, LossConfig(prior_trials=None), SOFT)
    assert seen == [(3, 3), (8, 8)]


def test_the_prior_sees_trials_of_every_subject(tiny_experiment, monkeypatch):
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(tiny_experiment.decoder, num_voxels_of={1: 20, 2: 7}, **shapes).eval()
    seen = []
    monkeypatch.setattr(
        decoder.prior, "loss_of", lambda brain, images, _: seen.append(images) or torch.zeros(())
    )
    batch = StepBatch(parts=[scans(3), scans(5, subject=2, voxels=7)], targets=targets(8))
    config = LossConfig(prior_trials=4)
    losses_of_batch(decoder, batch, config, SOFT)
    torch.testing.assert_close(seen[0], targets(8).tokens[[0, 1, 3, 4]])


def test_losses_follow_from_the_generator_alone(decoder):
    for phase in (MIXED, SOFT):
        first, second = (losses_of(decoder, LossConfig(), phase, seed=4) for _ in range(2))
        assert {name: value.item() for name, value in first[0].items()} == {
            name: value.item() for name, value in second[0].items()
        }


def test_a_decoder_without_low_level_head_has_no_such_loss(tiny_experiment):
    config = replace(tiny_experiment.decoder, low_level=None)
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(config, num_voxels_of={1: 20}, **shapes)
    losses, monitors = losses_of(decoder, LossConfig(), SOFT)
    assert losses.keys() == {"contrastive", "prior"}
    assert monitors.keys() == {"top1"}


def test_top1_counts_the_images_that_mixed_scans_want(decoder, monkeypatch):
    kept = [1.0, 0.3, 0.2, 1.0, 1.0, 1.0, 1.0, 0.4]
    chosen_mixing(monkeypatch, kept, [0, 6, 5, 3, 4, 2, 1, 0])
    wanted, seen = [0, 6, 5, 3, 4, 5, 6, 0], []
    plain = objective.mixed_contrastive
    monkeypatch.setattr(
        objective,
        "mixed_contrastive",
        lambda found, *rest: seen.append(found) or plain(found, *rest),
    )
    _, monitors = losses_of(decoder, LossConfig(), MIXED)
    # Of equal columns, the first wins: who wants another trial's image wins where that one loses.
    own = [max(range(8), key=lambda j: (row[wanted[j]], -j)) == i for i, row in enumerate(seen[0])]
    assert monitors["top1"] == pytest.approx(sum(own) / 8)


def test_cosines_are_not_rounded_to_half_precision(decoder, monkeypatch):
    seen, plain = [], objective.soft_contrastive
    monkeypatch.setattr(
        objective, "soft_contrastive", lambda *given: seen.append(given) or plain(*given)
    )
    with torch.autocast("cpu", torch.bfloat16):
        losses_of(decoder, LossConfig(), SOFT)
    images = torch.nn.functional.normalize(targets().tokens.flatten(1).double(), dim=-1)
    among = seen[0][1]
    assert seen[0][0].dtype == among.dtype == torch.float32
    torch.testing.assert_close(among.double(), images @ images.T, rtol=0, atol=1e-6)
