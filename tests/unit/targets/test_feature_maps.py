import json
import shutil

import pytest
import torch
from torch.nn import functional

from mindeye.targets.feature_maps import STD, MapConfig, MapNetwork, load_maps, save_maps

TINY = MapConfig(depths=(1, 1, 2, 1), dims=(4, 6, 8, 12), projector=(10, 10, 7), side=64)


@pytest.fixture(scope="module")
def network() -> MapNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MapNetwork(TINY)
        # Timm begins with weights so small that all pictures have nearly the same maps.
        for name, parameter in network.named_parameters():
            is_gain = parameter.ndim == 1 and name.endswith("weight")
            std = 0.5 if parameter.ndim > 1 else 0.1
            torch.nn.init.normal_(parameter, mean=float(is_gain), std=std)
    return network.eval().requires_grad_(False)


@pytest.fixture
def folder(network, tmp_path):
    save_maps(network, tmp_path / "tiny-maps")
    return tmp_path / "tiny-maps"


@pytest.fixture
def target(folder):
    return load_maps(folder)


def pictures(count: int = 3, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("side", "places"), [(64, 4), (96, 9), (224, 49), (512, 256)])
def test_a_place_covers_32_pixels(network, tmp_path, side, places):
    save_maps(network, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "side": side}))
    target = load_maps(tmp_path)
    maps = target.maps(pictures(1))
    assert maps.shape == (1, *target.map_shape) == (1, places, 7)


def test_what_is_saved_is_what_is_loaded(network, target, folder):
    assert target.model.config == TINY
    assert list(target.model.state_dict()) == list(network.state_dict())
    for name, tensor in network.state_dict().items():
        assert torch.equal(target.model.state_dict()[name], tensor)
    assert target.side == 64
    assert not target.model.training
    assert not any(parameter.requires_grad for parameter in target.model.parameters())


def test_pixels_are_normalised_as_imagenet_is(target, network):
    """Not with the published 0.228 for red."""
    slow = torch.empty(3, 3, 64, 64)
    moments = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]
    for channel, (mean, std) in enumerate(moments):
        slow[:, channel] = (pictures()[:, channel] - mean) / std
    torch.testing.assert_close(target.maps(pictures()), network(slow))
    assert STD[0] == 0.229


def test_a_picture_has_the_same_maps_in_every_batch(target):
    alone = torch.cat([target.maps(one) for one in pictures().split(1)])
    torch.testing.assert_close(target.maps(pictures()), alone)


def test_pictures_of_another_size_are_resized_with_antialiasing(target):
    large = pictures(side=160)
    small = functional.interpolate(large, size=(64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(target.maps(large), target.maps(small))
    aliased = functional.interpolate(large, size=(64, 64), mode="bilinear")
    assert (target.maps(large) - target.maps(aliased)).abs().max() > 1e-2


def test_other_weights_and_another_side_have_another_identity(folder, target, network):
    again = shutil.copytree(folder, folder.parent / "again" / folder.name)
    assert load_maps(again).identity == target.identity
    assert target.identity.startswith("tiny-maps-")
    path = again / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "side": 96}))
    assert load_maps(again).identity == target.identity.replace("64px", "96px") != target.identity
    changed = MapNetwork(TINY)
    save_maps(changed, again)
    assert load_maps(again).identity != target.identity


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"No feature-map network at .*: {name} is missing"):
        load_maps(folder)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"dims": [4, 6, 8, 16]}, ValueError, r"`trunk\.stages\.3\..*` is \(12, 8.*, not \(16, 8"),
        ({"depths": [1, 1, 3, 1]}, ValueError, r"`trunk\.stages\.2\.blocks\.2\..*` is absent, not"),
        (
            {"projector": [10, 7]},
            ValueError,
            r"`projector\.3\.weight` is \(10, 10\), not \(7, 10\)",
        ),
        ({"projector": []}, ValueError, "leave a layer out"),
        ({"side": 65}, ValueError, "65 px is no multiple of 32"),
        ({"side": 0}, ValueError, "0 px is no multiple of 32"),
        ({"depth": [1]}, LookupError, "Did you mean `depths`"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder, change, error, text):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=text):
        load_maps(folder)


def test_damaged_weights_are_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_maps(folder)
