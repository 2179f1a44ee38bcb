import pytest
import torch
from torch.nn import functional

from mindeye.losses import (
    Mixing,
    draw_mixing,
    joint_mixing,
    latent_distance,
    mixed_contrastive,
    soft_contrastive,
    top1_share,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def units(rows: int = 6, features: int = 9, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, features, generator=seeded(seed)), dim=-1)


def mixed(num_trials: int = 200, share: float = 0.5, seed: int = 0) -> torch.Tensor:
    return draw_mixing(num_trials, concentration=0.15, share=share, generator=seeded(seed)).matrix()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("num_trials", [1, 2, 200])
def test_rows_of_the_mixing_matrix_are_weights_of_at_most_two_trials(num_trials, share):
    matrix = mixed(num_trials, share)
    assert matrix.min() >= 0
    torch.testing.assert_close(matrix.sum(1), torch.ones(num_trials))
    assert ((matrix > 0).sum(1) <= 2).all()


def test_every_trial_is_the_partner_of_one_so_that_columns_hold_their_own_and_one_more():
    matrix = mixed(share=1.0)
    others = matrix - torch.diag(matrix.diagonal())
    assert ((others > 0).sum(0) <= 1).all()


def test_nobody_is_mixed_at_share_0_and_about_half_at_share_one_half():
    torch.testing.assert_close(mixed(share=0.0), torch.eye(200))
    assert 0.35 < (mixed(1000).diagonal() < 1).float().mean() < 0.65


def test_the_kept_part_is_drawn_from_a_beta_distribution():
    kept = mixed(2000, share=1.0).diagonal()
    expected = torch.distributions.Beta(torch.tensor(0.15), torch.tensor(0.15))
    assert kept.mean() == pytest.approx(0.5, abs=0.04)
    assert kept.var() == pytest.approx(expected.variance.item(), abs=0.02)


def test_a_trial_that_is_its_own_partner_keeps_its_whole_label():
    assert mixed(1, share=1.0).tolist() == [[1.0]]
    matrix = mixed(3, share=1.0, seed=4)
    torch.testing.assert_close(matrix.sum(1), torch.ones(3))


def test_the_published_labels_differ_for_such_trials_alone_and_lose_what_they_keep():
    mixing = Mixing(kept=torch.tensor([0.4, 1.0, 0.7, 0.2]), partner=torch.tensor([0, 1, 3, 2]))
    right, lost = mixing.matrix(), mixing.lossy_labels()
    torch.testing.assert_close(right[2:], lost[2:])
    torch.testing.assert_close(right[:2], torch.eye(4)[:2])
    torch.testing.assert_close(lost[:2].sum(1), torch.tensor([0.6, 0.0]))


def test_partners_of_several_subjects_stay_within_their_own_or_cross():
    parts = [
        Mixing(kept=torch.tensor([0.5, 1.0]), partner=torch.tensor([1, 0])),
        Mixing(kept=torch.tensor([0.25, 0.5, 1.0]), partner=torch.tensor([2, 0, 1])),
    ]
    assert joint_mixing(parts).partner.tolist() == [1, 0, 4, 2, 3]
    assert joint_mixing(parts, crossed=True).partner.tolist() == [1, 0, 2, 0, 1]
    assert joint_mixing(parts).kept.tolist() == [0.5, 1.0, 0.25, 0.5, 1.0]
    apart = torch.block_diag(*(part.matrix() for part in parts))
    torch.testing.assert_close(joint_mixing(parts).matrix(), apart)


def test_the_same_generator_state_mixes_alike_and_the_global_stream_stays():
    state = torch.random.get_rng_state()
    torch.testing.assert_close(mixed(seed=1), mixed(seed=1), rtol=0, atol=0)
    assert not torch.equal(mixed(seed=1), mixed(seed=2))
    assert torch.equal(state, torch.random.get_rng_state())


def test_unmixed_contrast_is_cross_entropy_in_both_directions():
    brain, images = units(seed=1), units(seed=2)
    logits, own = brain @ images.T / 0.1, torch.arange(6)
    expected = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(mixed_contrastive(brain @ images.T, torch.eye(6), 0.1), expected)


def test_mixed_labels_are_cross_entropy_with_shares():
    brain, images, labels = units(seed=1), units(seed=2), mixed(6, share=1.0)
    logits = brain @ images.T / 0.1
    forward = functional.cross_entropy(logits, labels)
    backward = functional.cross_entropy(logits.T, labels.T)
    expected = (forward + backward) / 2
    torch.testing.assert_close(mixed_contrastive(brain @ images.T, labels, 0.1), expected)


def test_both_contrasts_do_not_tell_brain_from_image_nor_care_for_order():
    brain, images = units(seed=1), units(seed=2)
    order = torch.randperm(6, generator=seeded())
    for loss in (
        lambda a, b: mixed_contrastive(a @ b.T, torch.eye(6), 0.1),
        lambda a, b: soft_contrastive(a @ b.T, b @ b.T, 0.1),
    ):
        torch.testing.assert_close(loss(brain, images), loss(brain[order], images[order]))
    plain = mixed_contrastive(brain @ images.T, torch.eye(6), 0.1)
    torch.testing.assert_close(plain, mixed_contrastive(images @ brain.T, torch.eye(6), 0.1))


def test_soft_contrast_is_least_where_brain_is_image():
    images = units(seed=2)
    brain = units(seed=1)
    among = images @ images.T
    least = soft_contrastive(among, among, 0.1)
    labels = (among / 0.1).softmax(-1)
    entropy = -(labels * labels.log()).sum(-1).mean()
    torch.testing.assert_close(least, entropy)
    nearer = [functional.normalize(images + share * brain, dim=-1) for share in (0.0, 0.5, 2.0)]
    values = [soft_contrastive(one @ images.T, among, 0.1).item() for one in nearer]
    assert values == sorted(values)


def test_contrasts_stay_finite_at_the_published_temperatures():
    brain, images = units(64, seed=1).requires_grad_(), units(64, seed=2)
    total = mixed_contrastive(brain @ images.T, mixed(64), 0.006)
    total = total + soft_contrastive(brain @ images.T, images @ images.T, 0.004)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(brain.grad).all()


def test_latent_distance_is_the_mean_absolute_difference():
    wanted = torch.zeros(2, 3, 4, 4)
    assert latent_distance(wanted, wanted) == 0
    assert latent_distance(wanted - 0.5, wanted) == pytest.approx(0.5)


def test_top1_counts_own_images_that_win():
    images = torch.eye(4)
    assert top1_share(images) == 1
    assert top1_share(images[[0, 2, 1, 3]]) == 0.5
