import torch

from mindeye.models.mixer_backbone import MixerBackbone, MixerBackboneConfig


def test_one_number_is_added_to_every_feature_of_every_trial():
    backbone = MixerBackbone(MixerBackboneConfig(width=6, num_blocks=3))
    latent = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    added = backbone(latent) - latent
    torch.testing.assert_close(added, backbone.bias.expand(4, 6))
    expected = sum(scalar() for scalar in backbone.scalars)
    torch.testing.assert_close(backbone.bias, expected)
    assert expected != 0


def test_without_blocks_the_latent_passes():
    latent = torch.randn(4, 6)
    backbone = MixerBackbone(MixerBackboneConfig(width=6, num_blocks=0))
    torch.testing.assert_close(backbone(latent), latent, rtol=0, atol=0)


def test_idle_weights_are_held_on_request_only():
    for keep in (False, True):
        backbone = MixerBackbone(MixerBackboneConfig(width=6, num_blocks=2, keep_idle=keep))
        idle = sum(one.numel() for name, one in backbone.named_parameters() if "idle" in name)
        assert idle == keep * 2 * (2 * 6 + 2 * (36 + 6) + 1)
        backbone(torch.randn(4, 6)).sum().backward()
        for name, one in backbone.named_parameters():
            assert (one.grad is None) == name.startswith("idle.")
