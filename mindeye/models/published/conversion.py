"""One checkpoint of any family: checked as a whole, then copied under our names, and back."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mindeye.models.attention import rotary_frequencies
from mindeye.models.checkpoint.weights import own_name
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.meta_device import on_meta
from mindeye.models.noise_schedule import NoiseSchedule
from mindeye.models.published.key_names import Names, published_name
from mindeye.models.published.refusals import require_fixed, require_same_keys
from mindeye.models.published_prior import PublishedPriorConfig


def plain_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the model itself, without those of wrappers.

    Raises:
        ValueError: a key stands there with and without it.
    """
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        name = own_name(key)
        if name in plain:
            raise ValueError(
                f"`{name}` stands there twice, with and without `module.`. "
                "Keep the tensors of one model."
            )
        plain[name] = value
    return plain


def published_shapes(
    decoder: Decoder, names: Names, part: tuple[str, ...] = ("",)
) -> dict[str, tuple[int, ...]]:
    """Published key -> shape of all weights whose name begins with `part`."""
    return {
        published_name(name, names): _published_shape(decoder.config, name, value)
        for name, value in decoder.state_dict().items()
        if name.startswith(part)
    }


def fixed_tensors(config: PublishedPriorConfig, net: str, buffers: str) -> dict[str, Tensor]:
    """What checkpoints hold besides weights: it follows from the architecture."""
    schedule = NoiseSchedule.cosine(config.train_times).published_buffers()
    frequencies = rotary_frequencies(config.head_width)
    layers = (f"{net}.causal_transformer.layers.{i}.0" for i in range(config.depth))
    return {f"{buffers}.{name}": value for name, value in schedule.items()} | {
        f"{layer}.rotary_emb.freqs": frequencies.clone() for layer in layers
    }


def require_fits(
    state: Mapping[str, Tensor],
    expected: Mapping[str, tuple[int, ...]],
    fixed: Mapping[str, Tensor],
    family: str,
) -> None:
    """Refuses a checkpoint that is not, key for key and shape for shape, the expected one."""
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    given = {key: tuple(value.shape) for key, value in fixed.items() if key in state}
    require_same_keys(shapes, {**expected, **given}, family)
    for group in ("noise_scheduler.", "rotary_emb."):
        require_fixed(state, {key: value for key, value in fixed.items() if group in key}, family)


def with_weights(empty: Callable[[], Decoder], weights: Mapping[str, Tensor]) -> Decoder:
    """A decoder in evaluation mode that holds copies of checked tensors, in float32.

    Args:
        empty: makes the decoder; called on the meta device.
        weights: our name -> tensor; what this decoder has no place for is left.
    """
    decoder = on_meta(empty)
    # A clone, where that suffices: that of a tensor in a file costs no memory.
    copies = {
        name: _own(weights[name], value.dtype).reshape(value.shape)
        for name, value in decoder.state_dict().items()
    }
    decoder.load_state_dict(copies, assign=True)
    return decoder.eval()


def _own(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach()
    return tensor.clone() if tensor.dtype == dtype else tensor.to(dtype)


def under_our_names(
    state: Mapping[str, Tensor], decoder: Decoder, names: Names, part: tuple[str, ...] = ("",)
) -> dict[str, Tensor]:
    """Our name -> tensor of the checkpoint."""
    ours = (name for name in decoder.state_dict() if name.startswith(part))
    return {name: state[published_name(name, names)] for name in ours}


def under_published_names(
    decoder: Decoder, names: Names, part: tuple[str, ...] = ("",)
) -> dict[str, Tensor]:
    """Published key -> copy of our weight."""
    return {
        published_name(name, names): value.detach()
        .clone()
        .reshape(_published_shape(decoder.config, name, value))
        for name, value in decoder.state_dict().items()
        if name.startswith(part)
    }


def _published_shape(config: DecoderConfig, name: str, value: Tensor) -> tuple[int, ...]:
    """The 1 x 768 prior stores single vectors with other numbers of axes than we do."""
    shape = tuple(value.shape)
    if isinstance(config.prior, PublishedPriorConfig) and config.prior.num_padding:
        if name in ("prior.padding", "prior.null_brain"):
            return (1, *shape)
        if name == "prior.places":
            return shape[1:]
    return shape
