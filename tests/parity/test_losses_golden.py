"""The published losses' numbers (float32, CPU), kept in golden_losses.npz."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.losses import Mixing, mixed_contrastive, soft_contrastive
from mindeye.training.schedule import soft_temperature

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(Path(__file__).parent / "golden_losses.npz") as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive}


def test_mixed_contrast_is_the_published_bidirectional_mixco(golden):
    mixing = Mixing(kept=golden["loss.kept"], partner=golden["loss.partner"].long())
    # The golden partners have no fixed point: both ways to write the labels agree.
    torch.testing.assert_close(mixing.matrix(), mixing.lossy_labels())
    brain, image = golden["loss.brain"], golden["loss.image"]
    loss = mixed_contrastive(brain @ image.T, mixing.matrix(), 0.006)
    torch.testing.assert_close(loss, golden["loss.bimixco_t0.006"], **TOLERANCE)


def test_unmixed_contrast_is_the_published_nce(golden):
    similarities = golden["loss.brain"] @ golden["loss.image"].T
    loss = mixed_contrastive(similarities, torch.eye(12), 0.006)
    torch.testing.assert_close(loss, golden["loss.plain_nce_t0.006"], **TOLERANCE)


@pytest.mark.parametrize("temperature", [0.004, 0.0075, 0.125])
def test_soft_contrast_is_the_published_softclip(golden, temperature):
    brain, images = golden["loss.brain"], golden["loss.image"]
    loss = soft_contrastive(brain @ images.T, images @ images.T, temperature)
    torch.testing.assert_close(loss, golden[f"loss.softclip_t{temperature}"], **TOLERANCE)


def test_the_temperatures_are_the_published_ones_of_161_epochs(golden):
    ours = [soft_temperature(epoch / 160, (0.004, 0.0075)) for epoch in range(161)]
    published = golden["schedule.softclip_temps_161"].double()
    torch.testing.assert_close(
        torch.tensor(ours, dtype=torch.float64), published, rtol=1e-5, atol=0
    )
