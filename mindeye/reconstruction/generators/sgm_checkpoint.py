"""The names of Stability's `sgm` programs -> those of diffusers' modules, tensor by tensor."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ModelMixin
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from torch import Tensor

from mindeye.models.checkpoint.weights import CheckpointWeights

UNET, VAE = "model.diffusion_model.", "first_stage_model."
# The encoder of the condition, which is the CLIP of the target, and a table of noise levels.
LEFT_OUT = ("conditioner.", "denoiser.")


@dataclass(frozen=True, kw_only=True)
class NamedModule:
    """A module of diffusers and where each of its weights lies in the checkpoint."""

    weights: CheckpointWeights
    source_of: Mapping[str, str]
    shape_of: Mapping[str, tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.source_of)

    def __iter__(self) -> Iterator[str]:
        return iter(self.source_of)

    def __getitem__(self, name: str) -> Tensor:
        """One weight, mapped from the file; sgm's attention in a VAE is a 1 x 1 convolution."""
        return self.weights[self.source_of[name]].reshape(self.shape_of[name]).contiguous()


def named_unet(weights: CheckpointWeights, module: ModelMixin) -> NamedModule:
    """The UNet in a checkpoint; `module` may lie on the meta device.

    Raises:
        LookupError: weights of it are missing, or there are unknown ones.
        ValueError: weights have another shape.
    """
    return _named(weights, UNET, module, convert_ldm_unet_checkpoint)


def named_vae(weights: CheckpointWeights, module: ModelMixin) -> NamedModule:
    """The VAE in a checkpoint; raises as `named_unet` does."""
    return _named(weights, VAE, module, convert_ldm_vae_checkpoint)


def require_known(weights: CheckpointWeights) -> None:
    """Refuses a checkpoint that is none of sgm's, or holds more than it should.

    Raises:
        LookupError: which part is missing, or which names are unknown.
    """
    for prefix, what in ((UNET, "UNet"), (VAE, "VAE")):
        if not any(name.startswith(prefix) for name in weights):
            raise LookupError(
                f"This checkpoint holds no {what}: no name begins with `{prefix}`; its first is "
                f"`{next(iter(weights))}`. Is it the file of an unCLIP that sgm saved?"
            )
    unknown = [name for name in weights if not name.startswith((UNET, VAE, *LEFT_OUT))]
    if unknown:
        raise LookupError(_told(unknown, "is no part of an unCLIP of sgm"))


def _named(
    weights: CheckpointWeights,
    prefix: str,
    module: ModelMixin,
    convert: Callable[[Mapping[str, Tensor], Mapping[str, Any]], Mapping[str, Tensor]],
) -> NamedModule:
    """Lets diffusers rename numbered stand-ins, and reads off what became what."""
    names = [name for name in weights if name.startswith(prefix)]
    numbered = {
        name: torch.tensor(number).expand(weights.shape_of(name))
        for number, name in enumerate(names)
    }
    try:
        converted = convert(numbered, module.config)
    except KeyError as error:
        raise LookupError(f"`{prefix}{error.args[0]}` is missing in this checkpoint.") from error
    source_of = {name: names[int(one.flatten()[0])] for name, one in converted.items()}
    shape_of = {name: tuple(one.shape) for name, one in module.state_dict().items()}
    unknown = sorted(set(names) - {source_of[name] for name in source_of if name in shape_of})
    if unknown:
        raise LookupError(_told(unknown, f"is unknown to the {type(module).__name__} of an unCLIP"))
    missing = sorted(set(shape_of) - set(source_of))
    if missing:
        raise LookupError(_told(missing, "(diffusers' name) is missing in this checkpoint"))
    for name, shape in shape_of.items():
        found = tuple(converted[name].shape)
        if found != shape:
            raise ValueError(
                f"`{source_of[name]}` is {list(found)} instead of {list(shape)}. "
                "Is this the checkpoint of another generator?"
            )
    return NamedModule(weights=weights, source_of=source_of, shape_of=shape_of)


def _told(names: list[str], what: str) -> str:
    more = f", and {len(names) - 1} more" if len(names) > 1 else ""
    return f"`{names[0]}` {what}{more}. Is it another checkpoint?"
