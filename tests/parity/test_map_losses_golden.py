"""The published contrast of feature maps (float32, CPU), kept in golden_map_losses.npz."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.losses import soft_map_contrast


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(Path(__file__).parent / "golden_map_losses.npz") as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive}


@pytest.mark.parametrize("images", [1, 4, 20])
def test_the_contrast_of_maps_is_the_published_one_however_places_are_shared_out(golden, images):
    three = (golden[f"loss.{name}"] for name in ("student", "teacher", "teacher_aug"))
    loss = soft_map_contrast(*(one.unflatten(0, (images, -1)) for one in three), 0.075)
    torch.testing.assert_close(loss, golden["loss.soft_cont_t0.075"], rtol=1e-5, atol=1e-5)
