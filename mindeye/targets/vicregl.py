"""The published teacher of feature maps: VICRegL's ConvNeXt (arXiv:2210.01571) -> ours."""

from collections.abc import Mapping

import torch
from timm.models.convnext import checkpoint_filter_fn
from torch import Tensor

from mindeye.targets.feature_maps import MapConfig, MapNetwork, filled_network

NUM_STAGES = 4
_TRUNK, _PROJECTOR = "backbone.", "maps_projector."
# Make no maps: the projector of the whole picture and the classifier that watched the training.
_IDLE = ("projector.", "classifier.")


def convert_vicregl(state: Mapping[str, Tensor], side: int) -> MapNetwork:
    """The network of a full VICRegL checkpoint of a ConvNeXt, for pictures of `side` pixels.

    Args:
        state: tensors by VICRegL's own names (facebookresearch/VICRegL, convnext.py, utils.MLP and
            main_vicregl.py), without DistributedDataParallel's `module.`.

    Raises:
        ValueError: tensors are missing, too many, or of another shape.
    """
    trunk, projector = _part(state, _TRUNK), _part(state, _PROJECTOR)
    config = _config_of(trunk, projector, side)
    with torch.device("meta"):
        shapes = MapNetwork(config).trunk
    try:
        trunk = checkpoint_filter_fn(trunk, shapes)
    except KeyError as error:
        raise ValueError(
            f"The checkpoint's backbone holds `{error.args[0]}`, which no ConvNeXt has. "
            "Give VICRegL's full checkpoint of a ConvNeXt."
        ) from error
    known = (_TRUNK, _PROJECTOR, *_IDLE)
    weights = {
        **{f"trunk.{name}": tensor for name, tensor in trunk.items()},
        **{f"projector.{name}": tensor for name, tensor in projector.items()},
        **{name: state[name] for name in state if not name.startswith(known)},
    }
    return filled_network(config, weights, "The checkpoint")


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors of one part, by the names that they have in it."""
    return {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}


def _config_of(
    trunk: Mapping[str, Tensor], projector: Mapping[str, Tensor], side: int
) -> MapConfig:
    """The architecture that the tensors' names and shapes tell."""
    # Each stage begins with a convolution that makes the picture smaller; a norm is before all
    # but the first one.
    smaller = [f"downsample_layers.{stage}.{min(stage, 1)}.weight" for stage in range(NUM_STAGES)]
    absent = [f"{_TRUNK}{name}" for name in smaller if name not in trunk]
    absent += [] if projector else [f"{_PROJECTOR}0.weight"]
    if absent:
        raise ValueError(
            f"The checkpoint holds no `{absent[0]}`. Give VICRegL's full checkpoint of a ConvNeXt "
            "(convnext_xlarge_alpha0.75_fullckpt.pth); that of the backbone alone has no maps."
        )
    depthwise = [name.split(".") for name in trunk if name.endswith(".dwconv.weight")]
    linear = {int(name.split(".")[0]): len(one) for name, one in projector.items() if one.ndim == 2}
    return MapConfig(
        depths=tuple(
            sum(int(name[1]) == stage for name in depthwise) for stage in range(NUM_STAGES)
        ),
        dims=tuple(len(trunk[name]) for name in smaller),
        projector=tuple(linear[place] for place in sorted(linear)),
        side=side,
    )
