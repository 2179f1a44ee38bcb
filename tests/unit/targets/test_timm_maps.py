"""Teachers of timm: the chosen layer's maps at a stated side, with random weights."""

import json
import shutil

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from mindeye.targets.feature_maps import load_maps

VIT, CONVNEXT = "test_vit", "test_convnext"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """timm's name -> a folder as it would be fetched, and the network that it was written from."""

    def folder_of(name: str):
        folder = tmp_path_factory.mktemp(name)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = timm.create_model(name, num_classes=7).eval()
        save_file(network.state_dict(), folder / "model.safetensors")
        return folder, network

    return {name: folder_of(name) for name in (VIT, CONVNEXT)}


@pytest.fixture
def teacher(published, tmp_path):
    """Writes config.json beside the weights."""

    def written(name: str, **settings):
        folder = shutil.copytree(published[name][0], tmp_path / "teacher", dirs_exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"timm": name, **settings}))
        return folder

    return written


def pictures(side: int) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_maps_of_a_vit_are_its_patch_tokens_behind_the_last_norm(published, teacher):
    target = load_maps(teacher(VIT, side=160, mean=[0.5] * 3, std=[0.25] * 3))
    network = published[VIT][1]
    tokens = network.forward_features((pictures(160) - 0.5) / 0.25)
    expected = tokens[:, network.num_prefix_tokens :]
    assert target.map_shape == (100, 64) == tuple(expected.shape[1:])
    torch.testing.assert_close(target.maps(pictures(160)), expected)


@torch.no_grad()
def test_an_inner_block_of_a_vit_is_what_a_hook_sees_there(published, teacher):
    target = load_maps(teacher(VIT, side=160, layer=1, mean=[0.0] * 3, std=[1.0] * 3))
    network, seen = published[VIT][1], []
    handle = network.blocks[1].register_forward_hook(lambda *call: seen.append(call[2]))
    network.forward_features(pictures(160))
    handle.remove()
    expected = network.norm(seen[0])[:, network.num_prefix_tokens :]
    torch.testing.assert_close(target.maps(pictures(160)), expected)


@torch.no_grad()
@pytest.mark.parametrize(("layer", "places", "width"), [(-1, 4, 64), (2, 16, 48), (0, 256, 24)])
def test_maps_of_a_convnext_are_the_output_of_a_stage(published, teacher, layer, places, width):
    settings = {"side": 64, "layer": layer, "mean": [0.0] * 3, "std": [1.0] * 3}
    target = load_maps(teacher(CONVNEXT, **settings))
    network, seen = published[CONVNEXT][1], []
    handle = network.stages[layer].register_forward_hook(lambda *call: seen.append(call[2]))
    network.forward_features(pictures(64))
    handle.remove()
    assert target.map_shape == (places, width)
    torch.testing.assert_close(target.maps(pictures(64)), seen[0].flatten(2).transpose(1, 2))


@torch.no_grad()
def test_positions_of_a_vit_are_brought_to_another_side(published, teacher):
    """As timm does it, by its own function."""
    target = load_maps(teacher(VIT, side=256, mean=[0.0] * 3, std=[1.0] * 3))
    network = timm.create_model(VIT, num_classes=7, img_size=256).eval()
    state = timm.models.vision_transformer.checkpoint_filter_fn(
        published[VIT][1].state_dict(), network
    )
    network.load_state_dict(state)
    expected = network.forward_features(pictures(256))[:, network.num_prefix_tokens :]
    assert target.map_shape == (256, 64)
    torch.testing.assert_close(target.maps(pictures(256)), expected)


def test_the_network_is_frozen_and_the_global_stream_untouched(teacher):
    folder = teacher(VIT, side=160)
    before = torch.random.get_rng_state()
    target = load_maps(folder)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not target.model.training
    assert not any(one.requires_grad for one in target.model.parameters())


def test_the_pixels_mean_and_spread_are_part_of_the_identity(teacher):
    """Or maps of other pixels would be read from the cache."""
    plain, *others = (
        load_maps(teacher(VIT, side=160, **settings)).identity
        for settings in ({}, {"mean": [0.5] * 3}, {"std": [0.5] * 3}, {"mean": [0.4] * 3})
    )
    assert len({plain, *others}) == 4
    assert all(one.startswith(plain) for one in others)


def test_side_and_layer_are_part_of_the_identity(teacher):
    names = {
        load_maps(teacher(VIT, **settings)).identity
        for settings in ({"side": 160}, {"side": 96}, {"side": 160, "layer": 2})
    }
    assert len(names) == 3
    assert load_maps(teacher(VIT, side=160, layer=5)).identity.endswith("-160px-layer5")
    assert load_maps(teacher(VIT, side=160)).identity.endswith("-160px-layer5")


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"timm": "resnet_of_dreams"}, ValueError, "which timm .* does not know"),
        ({"timm": VIT, "side": 100}, ValueError, "100 px is no multiple of 16, .* 16 x 16 = 256"),
        ({"timm": VIT, "side": 160, "layer": 6}, ValueError, "`layer` is 6, but test_vit has 6"),
        ({"timm": VIT, "std": [0.0, 1.0, 1.0]}, ValueError, "deviations above 0"),
        ({"timm": VIT, "sides": 160}, LookupError, "Did you mean `side`"),
        ({"timm": CONVNEXT, "side": 160}, ValueError, "holds no `head.norm.bias`|holds no `stages"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(teacher, settings, error, text):
    folder = teacher(VIT)
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(error, match=text):
        load_maps(folder)


def test_weights_that_are_damaged_cut_or_of_another_width_are_refused(teacher):
    folder = teacher(VIT, side=160)
    weights, path = load_file(folder / "model.safetensors"), folder / "model.safetensors"
    save_file({**weights, "norm.bias": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"does not fit test_vit: .*norm\.bias"):
        load_maps(folder)
    del weights["norm.bias"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"holds no `norm\.bias`, which test_vit needs"):
        load_maps(folder)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="is damaged"):
        load_maps(folder)
