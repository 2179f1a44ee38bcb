import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mindeye.targets.metric_networks.folder import open_networks
from mindeye.targets.metric_networks.lpips import BACKBONES, Lpips, lpips_weights


def pictures(seed: int) -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["lpips-alex", "lpips-squeeze"])
def test_a_picture_has_no_distance_from_itself_and_the_same_both_ways(judges, name):
    judge = open_networks(judges, names=[name]).networks[name]
    first, second = pictures(0), pictures(1)
    torch.testing.assert_close(judge.distances(first, first), torch.zeros(2))
    there, back = judge.distances(first, second), judge.distances(second, first)
    assert there.min() > 0.01
    torch.testing.assert_close(there, back)


@pytest.mark.parametrize("name", ["lpips-alex", "lpips-squeeze"])
def test_distances_are_those_of_the_definition_written_with_hooks_and_numpy(judges, name):
    judge = open_networks(judges, names=[name]).networks[name]
    first, second = pictures(0), pictures(1)
    network = Lpips(BACKBONES[name])
    network.load_state_dict(load_file(judges / name / "model.safetensors"))
    seen = []
    # The ReLU (or Fire module) that ends each slice in the package `lpips`.
    layers = [network.features[end - 1] for end in BACKBONES[name].ends]
    for layer in layers:
        layer.register_forward_hook(lambda *given: seen.append(given[2].detach().numpy().copy()))
    maps = []
    for images in (first, second):
        seen.clear()
        signed = images * 2 - 1
        shift = torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)
        scale = torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
        with torch.inference_mode():
            network.features((signed - shift) / scale)
        maps.append(list(seen))
    expected = np.zeros(2)
    for one, other, head in zip(*maps, network.heads, strict=True):
        unit = [x / (np.sqrt((x**2).sum(1, keepdims=True)) + 1e-10) for x in (one, other)]
        weighted = (unit[0] - unit[1]) ** 2 * head.detach().numpy()[:, None, None]
        expected += weighted.sum(1).mean((1, 2))
    np.testing.assert_allclose(judge.distances(first, second), expected, rtol=1e-4)


def test_published_heads_get_our_names():
    heads = {f"lin{number}.model.1.weight": torch.ones(1, 3, 1, 1) * number for number in (0, 1)}
    named = lpips_weights({"features.0.weight": torch.ones(1)}, heads)
    assert list(named) == ["features.0.weight", "heads.0", "heads.1"]
    assert named["heads.1"].tolist() == [1, 1, 1]
