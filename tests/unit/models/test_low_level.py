import pytest
import torch

from mindeye.models.low_level import LowLevelConfig, LowLevelHead


@pytest.mark.parametrize(("base_side", "side"), [(4, 4), (4, 8), (2, 16), (7, 28)])
def test_the_base_side_is_doubled_until_the_latents_are_reached(base_side, side):
    config = LowLevelConfig(base_channels=6, base_side=base_side)
    head = LowLevelHead(10, (4, side, side), config)
    assert head(torch.randn(3, 10)).shape == (3, 4, side, side)


@pytest.mark.parametrize("shape", [(4, 12, 12), (4, 2, 2), (4, 8, 16)])
def test_a_side_that_doubling_cannot_reach_is_refused(shape):
    with pytest.raises(ValueError, match=rf"Latents of {shape[1]} x {shape[2]} cannot be reached"):
        LowLevelHead(10, shape, LowLevelConfig(base_side=4))


def test_trials_do_not_see_each_other():
    head = LowLevelHead(10, (4, 8, 8), LowLevelConfig(base_channels=6)).eval()
    hidden = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([head(one) for one in hidden.split(1)])
    torch.testing.assert_close(head(hidden), alone)


def test_a_place_in_the_hidden_state_is_a_place_in_the_picture():
    head = LowLevelHead(16, (1, 16, 16), LowLevelConfig(base_channels=8, base_side=4)).eval()
    hidden = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    # Mirroring keeps the norms' statistics, so that all that differs lies where the hidden does.
    moved = torch.cat([hidden[..., :2], hidden[..., 2:].flip(2)], dim=3)
    change = (head.upsampler(hidden) - head.upsampler(moved)).abs().mean((0, 1, 2))
    assert change[:4].mean() < 0.2 * change[8:].mean()
