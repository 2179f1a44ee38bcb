"""LPIPS: how far apart two pictures are for the layers of a network, weighted as people judged.

Zhang et al. 2018 (arXiv:1801.03924), version 0.1. The package `lpips` has not been released since
2021 and loads its weights as pickles, so the forty lines are ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import alexnet, squeezenet1_1, vgg16

from mindeye.targets.metric_networks.network import PairNetwork

# The authors' rounded colours of ImageNet, for pictures in [-1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
EPSILON = 1e-10


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """Whose layers are compared, and behind which of them."""

    empty: Callable[..., nn.Module]
    ends: tuple[int, ...]
    """Number of layers of `features` until each compared one."""
    channels: tuple[int, ...]


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "lpips-alex": Backbone(
            empty=alexnet, ends=(2, 5, 8, 10, 12), channels=(64, 192, 384, 256, 256)
        ),
        "lpips-squeeze": Backbone(
            empty=squeezenet1_1,
            ends=(2, 5, 8, 10, 11, 12, 13),
            channels=(64, 128, 256, 384, 384, 512, 512),
        ),
        "lpips-vgg": Backbone(
            empty=vgg16, ends=(4, 9, 16, 23, 30), channels=(64, 128, 256, 512, 512)
        ),
    }
)


class Lpips(nn.Module):
    """The convolutional layers of a backbone and one weight a channel of each compared layer."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.features = backbone.empty(weights=None).features[: backbone.ends[-1]]
        self.heads = nn.ParameterList(torch.empty(count) for count in backbone.channels)
        self.ends = backbone.ends

    def forward(
        self,
        first: Float[Tensor, "images 3 height width"],
        second: Float[Tensor, "images 3 height width"],
    ) -> Float[Tensor, "images"]:
        """Distances of images in [0, 1]: over layers, the mean over places of weighted squares."""
        total = first.new_zeros(len(first))
        for head, one, other in zip(self.heads, self.maps(first), self.maps(second), strict=True):
            squares = (one - other).square() * head.view(-1, 1, 1)
            total = total + squares.sum(1).mean((1, 2))
        return total

    def maps(self, images: Float[Tensor, "images 3 height width"]) -> list[Tensor]:
        """The compared layers, of unit length at every place."""
        shift, scale = (images.new_tensor(one).view(3, 1, 1) for one in (SHIFT, SCALE))
        values, found, start = (2 * images - 1 - shift) / scale, [], 0
        for end in self.ends:
            values, start = self.features[start:end](values), end
            found.append(values / (values.norm(dim=1, keepdim=True) + EPSILON))
        return found


def lpips_weights(backbone: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's backbone and the published heads (lin0.model.1.weight ...) -> our names."""
    renamed = {
        f"heads.{name.removeprefix('lin').split('.')[0]}": heads[name].flatten()
        for name in heads
        if name.startswith("lin") and name.endswith(".model.1.weight")
    }
    return {**{name: backbone[name] for name in backbone}, **renamed}


def lpips_judge(name: str, network: Lpips, identity: str) -> PairNetwork:
    """LPIPS with its weights as a judge."""
    device = next(network.parameters()).device

    def distances(first: Tensor, second: Tensor) -> Tensor:
        return network(first.to(device), second.to(device)).cpu()

    return PairNetwork(name=name, identity=identity, distances=distances)
