import runpy
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from mindeye.targets.feature_maps import MEAN, STD, MapConfig, load_maps, save_maps
from mindeye.targets.vicregl import convert_vicregl

DEPTHS, DIMS, WIDTHS = (1, 2, 3, 1), (4, 6, 8, 12), (10, 10, 7)
PROGRAM = Path(__file__).parents[3] / "data_scripts" / "convert_vicregl.py"


def published_state() -> dict[str, torch.Tensor]:
    """Random weights by the published names, as the class of the full checkpoint saves them."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *weight: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = weight
        if bias:
            shapes[f"{name}.bias"] = weight[:1]

    for stage, (depth, width) in enumerate(zip(DEPTHS, DIMS, strict=True)):
        before = f"backbone.downsample_layers.{stage}"
        if stage == 0:
            layer(f"{before}.0", width, 3, 4, 4)
            layer(f"{before}.1", width)
        else:
            layer(f"{before}.0", DIMS[stage - 1])
            layer(f"{before}.1", width, DIMS[stage - 1], 2, 2)
        for block in (f"backbone.stages.{stage}.{index}" for index in range(depth)):
            layer(f"{block}.dwconv", width, 1, 7, 7)
            layer(f"{block}.norm", width)
            layer(f"{block}.pwconv1", 4 * width, width)
            layer(f"{block}.pwconv2", width, 4 * width)
    layer("backbone.norm", DIMS[-1])
    layer("maps_projector.0", WIDTHS[0], DIMS[-1])
    layer("maps_projector.1", WIDTHS[0])
    layer("maps_projector.3", WIDTHS[1], WIDTHS[0])
    layer("maps_projector.4", WIDTHS[1])
    layer("maps_projector.6", WIDTHS[2], WIDTHS[1], bias=False)
    layer("projector.0", 20, DIMS[-1])
    layer("classifier", 5, DIMS[-1])
    generator = torch.Generator().manual_seed(1)
    # Gains around one and small biases: else pictures would have nearly the same maps.
    state = {}
    for name, shape in shapes.items():
        is_gain = len(shape) == 1 and name.endswith("weight")
        noise = torch.randn(shape, generator=generator) * (0.5 if len(shape) > 1 else 0.1)
        state[name] = noise + float(is_gain)
    return state


def normed(x: torch.Tensor, state: dict, name: str, axis: int, epsilon: float) -> torch.Tensor:
    """LayerNorm over one axis, by its definition."""
    centred = x - x.mean(axis, keepdim=True)
    scaled = centred / (centred.square().mean(axis, keepdim=True) + epsilon).sqrt()
    shape = [1] * x.ndim
    shape[axis] = -1
    return scaled * state[f"{name}.weight"].view(shape) + state[f"{name}.bias"].view(shape)


def slow_maps(state: dict, pixels: torch.Tensor) -> torch.Tensor:
    """Published layout, published order, plain operations."""

    def weights(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    x = pixels
    for stage, depth in enumerate(DEPTHS):
        before = f"backbone.downsample_layers.{stage}"
        if stage == 0:
            x = functional.conv2d(x, *weights(f"{before}.0"), stride=4)
            x = normed(x, state, f"{before}.1", 1, 1e-6)
        else:
            x = normed(x, state, f"{before}.0", 1, 1e-6)
            x = functional.conv2d(x, *weights(f"{before}.1"), stride=2)
        for index in range(depth):
            block = f"backbone.stages.{stage}.{index}"
            y = functional.conv2d(x, *weights(f"{block}.dwconv"), padding=3, groups=x.shape[1])
            y = normed(y, state, f"{block}.norm", 1, 1e-6)
            weight, bias = weights(f"{block}.pwconv1")
            y = torch.einsum("ichw,oc->iohw", y, weight) + bias.view(-1, 1, 1)
            y = y / 2 * (1 + torch.erf(y / 2**0.5))
            weight, bias = weights(f"{block}.pwconv2")
            x = x + torch.einsum("ichw,oc->iohw", y, weight) + bias.view(-1, 1, 1)
    x = torch.stack([x[:, :, row, column] for row in range(x.shape[2])
                     for column in range(x.shape[3])], dim=1)  # fmt: skip
    x = normed(x, state, "backbone.norm", 2, 1e-6)
    for index in (0, 3):
        weight, bias = weights(f"maps_projector.{index}")
        x = normed(x @ weight.T + bias, state, f"maps_projector.{index + 1}", 2, 1e-5).clamp(min=0)
    return x @ state["maps_projector.6.weight"].T


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_converted_weights_compute_what_the_published_layout_computes(pictures):
    state = published_state()
    network = convert_vicregl(state, side=64)
    assert network.config == MapConfig(depths=DEPTHS, dims=DIMS, projector=WIDTHS, side=64)
    expected = slow_maps(state, pictures)
    assert expected.std(dim=(0, 1)).min() > 0.1
    torch.testing.assert_close(network(pictures), expected, rtol=1e-4, atol=1e-5)
    # Dim pictures make the small constants of the norms count.
    dim = pictures * 1e-3
    torch.testing.assert_close(network(dim), slow_maps(state, dim), rtol=1e-4, atol=1e-5)


def test_a_saved_conversion_gives_the_same_maps(tmp_path, pictures):
    save_maps(convert_vicregl(published_state(), side=64), tmp_path / "maps")
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (MEAN, STD))
    expected = slow_maps(published_state(), (pictures - mean) / std)
    found = load_maps(tmp_path / "maps").maps(pictures)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_program_converts_what_vicregl_saved(tmp_path, monkeypatch, capsys):
    wrapped = {f"module.{name}": tensor for name, tensor in published_state().items()}
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))]).state_dict()
    content = {"epoch": 150, "model": wrapped, "optimizer": optimizer}
    torch.save(content, tmp_path / "fullckpt.pth")
    out = tmp_path / "maps"
    arguments = [str(PROGRAM), str(tmp_path / "fullckpt.pth"), "--out", str(out), "--side", "96"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(PROGRAM), run_name="__main__")
    target = load_maps(out)
    assert f"{target.identity}, 9 places of 7 features" in capsys.readouterr().out
    expected = convert_vicregl(published_state(), side=96).state_dict()
    for name, tensor in target.model.state_dict().items():
        assert torch.equal(tensor, expected[name])


def without(*names: str) -> dict[str, torch.Tensor]:
    return {name: one for name, one in published_state().items() if not name.startswith(names)}


def backbone_alone() -> dict[str, torch.Tensor]:
    names = (name for name in published_state() if name.startswith("backbone."))
    return {name.removeprefix("backbone."): published_state()[name] for name in names}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (backbone_alone(), r"no `backbone\.downsample_layers\.0\.0\.weight`. Give VICRegL's full"),
        (without("maps_projector"), r"no `maps_projector\.0\.weight`. Give VICRegL's full"),
        (without("backbone.norm"), r"`trunk\.head\.norm\.weight` is absent, not \(12,\)"),
        (without("backbone.stages.2.1.dwconv"), r"backbone holds `stages\.2\.blocks\.2\."),
        (
            published_state() | {"backbone.stages.0.0.gamma": torch.ones(4)},
            r"`trunk\.stages\.0\.blocks\.0\.gamma` is \(4,\), not absent",
        ),
        (
            published_state() | {"backbone.stages.0.0.dwconv.weight": torch.ones(4, 1, 3, 3)},
            r"conv_dw\.weight` is \(4, 1, 3, 3\), not \(4, 1, 7, 7\)",
        ),
        (
            published_state() | {"predictor.weight": torch.ones(1)},
            r"`predictor\.weight` is \(1,\), not absent",
        ),
    ],
    ids=["backbone", "no-projector", "no-norm", "gap", "layer-scale", "kernel", "more"],
)
def test_another_checkpoint_is_refused_by_the_first_tensor_that_does_not_fit(state, text):
    with pytest.raises(ValueError, match=text):
        convert_vicregl(state, side=64)
