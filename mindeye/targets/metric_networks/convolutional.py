"""AlexNet, InceptionV3, EfficientNet-B1 and SwAV: what of them the field's metrics compare.

Source: MindEye1 (arXiv:2305.18274), evaluation: torchvision's networks at these nodes and sides,
without a crop. SwAV is torchvision's ResNet-50 with SwAV's weights (facebookresearch/swav).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import alexnet, efficientnet_b1, inception_v3, resnet50

from mindeye.targets.metric_networks.network import MetricNetwork

# ImageNet's colours, which all four were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(images: Float[Tensor, "images 3 rows columns"]) -> Tensor:
    """Images in [0, 1] as networks of torchvision take them."""
    mean, std = (images.new_tensor(one).view(3, 1, 1) for one in (MEAN, STD))
    return (images - mean) / std


def alexnet_outputs(network: nn.Module, pixels: Tensor) -> dict[str, Tensor]:
    """After the second and the fifth convolution, each behind its ReLU."""
    second = network.features[:5](pixels)
    # The next layer is no ReLU in place, so that this tensor stays as it is.
    return {
        "features.4": second.flatten(1),
        "features.11": network.features[5:](second).flatten(1),
    }


def pooled_outputs(network: nn.Module, pixels: Tensor) -> dict[str, Tensor]:
    """What the classifier would get; it has been taken off."""
    return {"avgpool": network(pixels)}


def empty_alexnet() -> nn.Module:
    """Until the ReLU of the fifth convolution."""
    network = alexnet(weights=None)
    network.features = network.features[:12]
    network.classifier = nn.Identity()
    return network


def empty_inception() -> nn.Module:
    """Colours are changed once more inside (`transform_input`), as with torchvision's weights."""
    network = inception_v3(weights=None, aux_logits=False, init_weights=False, transform_input=True)
    network.fc = nn.Identity()
    return network


def empty_efficientnet() -> nn.Module:
    """Without the classifier."""
    network = efficientnet_b1(weights=None)
    network.classifier = nn.Identity()
    return network


def empty_swav() -> nn.Module:
    """ResNet-50 without the classifier; SwAV's projection head is left out."""
    network = resnet50(weights=None)
    network.fc = nn.Identity()
    return network


@dataclass(frozen=True, kw_only=True)
class Convolutional:
    """One of the four."""

    empty: Callable[[], nn.Module]
    outputs: Callable[[nn.Module, Tensor], dict[str, Tensor]]
    side: int


CONVOLUTIONAL: Mapping[str, Convolutional] = MappingProxyType(
    {
        "alexnet": Convolutional(empty=empty_alexnet, outputs=alexnet_outputs, side=256),
        "inception": Convolutional(empty=empty_inception, outputs=pooled_outputs, side=342),
        "efficientnet": Convolutional(empty=empty_efficientnet, outputs=pooled_outputs, side=255),
        "swav": Convolutional(empty=empty_swav, outputs=pooled_outputs, side=224),
    }
)


def convolutional_judge(name: str, network: nn.Module, identity: str) -> MetricNetwork:
    """A network of `CONVOLUTIONAL`, with its weights, as a judge."""
    about = CONVOLUTIONAL[name]
    device = next(network.parameters()).device

    def outputs(images: Float[Tensor, "images 3 rows columns"]) -> dict[str, Tensor]:
        return about.outputs(network, normalised(images.to(device)))

    return MetricNetwork(name=name, identity=identity, outputs=outputs, side=about.side)
