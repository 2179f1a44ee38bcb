import pytest
import torch

from mindeye.models.backbone import Backbone, BackboneConfig


def latents(trials: int = 4, width: int = 12) -> torch.Tensor:
    return torch.randn(trials, width, generator=torch.Generator().manual_seed(0))


def test_trials_do_not_see_each_other():
    backbone = Backbone(BackboneConfig(width=12, num_blocks=2)).eval()
    together = backbone(latents())
    alone = torch.cat([backbone(one) for one in latents().split(1)])
    torch.testing.assert_close(together, alone)


def test_blocks_are_residual():
    backbone = Backbone(BackboneConfig(width=12, num_blocks=3)).eval()
    for block in backbone.blocks:
        torch.nn.init.zeros_(block[1].weight)
        torch.nn.init.zeros_(block[1].bias)
    torch.testing.assert_close(backbone(latents()), backbone.enter(latents()))


@pytest.mark.parametrize("num_blocks", [0, 1, 4])
def test_the_number_of_blocks_is_that_of_the_configuration(num_blocks):
    backbone = Backbone(BackboneConfig(width=12, num_blocks=num_blocks))
    assert len(backbone.blocks) == num_blocks
    assert backbone(latents()).shape == (4, 12)


def test_dropout_acts_in_training_only():
    backbone = Backbone(BackboneConfig(width=12))
    assert not torch.equal(backbone.train()(latents()), backbone(latents()))
    torch.testing.assert_close(backbone.eval()(latents()), backbone(latents()), rtol=0, atol=0)
