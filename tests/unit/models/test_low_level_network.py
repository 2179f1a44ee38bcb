from dataclasses import replace

import pytest
import torch

from mindeye.models.low_level_network import (
    LowLevelNetwork,
    LowLevelPath,
    LowLevelPathConfig,
    PublishedLowLevelConfig,
)

CONFIG = PublishedLowLevelConfig(
    base_channels=6, base_side=3, block_channels=(32, 32, 64), map_width=9
)


def hidden() -> torch.Tensor:
    return torch.randn(3, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> LowLevelNetwork:
    torch.manual_seed(0)
    return LowLevelNetwork(10, (4, 12, 12), CONFIG).eval().requires_grad_(False)


def test_latents_are_the_map_doubled_twice_and_maps_have_a_token_a_place(network):
    output = network(hidden())
    assert output.latents.shape == (3, 4, 12, 12)
    assert output.maps.shape == (3, 9, 9)


@pytest.mark.parametrize(
    ("side", "channels", "latent_side"), [(16, (64, 128, 256), 64), (7, (32, 64, 128), 28)]
)
def test_both_published_forms_have_their_sides(side, channels, latent_side):
    assert PublishedLowLevelConfig(base_side=side, block_channels=channels).latent_side == (
        latent_side
    )


def test_trials_do_not_see_each_other(network):
    alone = torch.cat([network(one).latents for one in hidden().split(1)])
    torch.testing.assert_close(network(hidden()).latents, alone, rtol=1e-4, atol=1e-5)


def test_a_map_token_is_about_its_own_place():
    network = LowLevelNetwork(10, (4, 12, 12), CONFIG).eval().requires_grad_(False)
    places = torch.randn(1, 6, 3, 3, generator=torch.Generator().manual_seed(1))
    maps = network.map_head(places).flatten(2).transpose(1, 2)
    moved = network.map_head(places.transpose(2, 3)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(moved[:, 1], maps[:, 3])


def test_without_map_head_there_are_no_maps():
    network = LowLevelNetwork(10, (4, 12, 12), replace(CONFIG, map_width=None))
    assert network(hidden()).maps is None


def test_dropout_behind_the_linear_layer_acts_in_training_only():
    network = LowLevelNetwork(10, (4, 12, 12), replace(CONFIG, dropout=0.5))
    assert not torch.equal(network.train()(hidden()).maps, network(hidden()).maps)
    torch.testing.assert_close(network.eval()(hidden()).maps, network(hidden()).maps)


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((4, 16, 16), (32, 32, 64), "Latents of 16 x 16 are asked for, but this .* gives 12 x 12"),
        ((4, 12, 12), (32, 48, 64), r"\(32, 48, 64\) channels cannot be normalised in 32 groups"),
    ],
)
def test_what_cannot_be_built_is_refused(shape, channels, message):
    with pytest.raises(ValueError, match=message):
        LowLevelNetwork(10, shape, replace(CONFIG, block_channels=channels))


def test_the_own_way_of_mindeye1_has_biases_in_its_norms_alone():
    path = LowLevelPath(LowLevelPathConfig(width=8, num_blocks=2), {1: 7})
    biases = [name for name, one in path.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3
    assert path(torch.randn(2, 7), 1).shape == (2, 8)
    activations = {type(one).__name__ for one in path.modules() if "LU" in type(one).__name__}
    assert activations == {"SiLU"}
