"""The published losses' numbers (float32, CPU), kept in golden_losses.npz."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.losses import mixed_contrastive, mixing_matrix, soft_contrastive
from mindeye.training.schedule import soft_temperature

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(Path(__file__).parent / "golden_losses.npz") as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive}


def published_labels(kept: torch.Tensor, partner: torch.Tensor) -> torch.Tensor:
    """Row i as the published code writes it: `kept` at i, then the rest over the partner's place.

    Where a trial is its own partner, the second write replaces the first: the row sums to
    1 - kept. That is the one place in which `mixing_matrix` differs, on purpose.
    """
    labels = torch.diag(kept)
    labels[torch.arange(len(kept)), partner] = 1 - kept
    return labels


def test_mixed_contrast_is_the_published_bidirectional_mixco(golden):
    # The golden partners have no fixed point: both ways to write the labels agree.
    labels = published_labels(golden["loss.kept"], golden["loss.partner"])
    torch.testing.assert_close(labels.sum(1), torch.ones(12))
    loss = mixed_contrastive(golden["loss.brain"], golden["loss.image"], labels, 0.006)
    torch.testing.assert_close(loss, golden["loss.bimixco_t0.006"], **TOLERANCE)


def test_our_mixing_matrix_is_the_published_one_but_for_trials_that_are_their_own_partner(
    golden, monkeypatch
):
    kept, partner = torch.rand(12, generator=torch.Generator().manual_seed(0)), torch.arange(12)
    monkeypatch.setattr(torch, "_standard_gamma", lambda *_, **__: torch.stack([kept, 1 - kept]))
    for partners in (golden["loss.partner"], partner.roll(1).index_fill(0, partner[4:6], 5)):
        monkeypatch.setattr(torch, "randperm", lambda *_, chosen=partners, **__: chosen)
        ours = mixing_matrix(12, concentration=0.15, share=1.0, generator=torch.Generator())
        published = published_labels(kept, partners)
        alone = partners == partner
        torch.testing.assert_close(ours[~alone], published[~alone])
        torch.testing.assert_close(ours[alone].sum(1), torch.ones(int(alone.sum())))
        assert (published[alone].sum(1) < 1).all()
    assert alone.any()


def test_unmixed_contrast_is_the_published_nce(golden):
    loss = mixed_contrastive(golden["loss.brain"], golden["loss.image"], torch.eye(12), 0.006)
    torch.testing.assert_close(loss, golden["loss.plain_nce_t0.006"], **TOLERANCE)


@pytest.mark.parametrize("temperature", [0.004, 0.0075, 0.125])
def test_soft_contrast_is_the_published_softclip(golden, temperature):
    loss = soft_contrastive(golden["loss.brain"], golden["loss.image"], temperature)
    torch.testing.assert_close(loss, golden[f"loss.softclip_t{temperature}"], **TOLERANCE)


def test_the_temperatures_are_the_published_ones_of_161_epochs(golden):
    ours = [soft_temperature(epoch / 160, (0.004, 0.0075)) for epoch in range(161)]
    published = golden["schedule.softclip_temps_161"].double()
    torch.testing.assert_close(
        torch.tensor(ours, dtype=torch.float64), published, rtol=1e-5, atol=0
    )
