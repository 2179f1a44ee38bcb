"""MindEye1's checkpoints <-> our decoder."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.meta_device import on_meta
from mindeye.models.published.conversion import (
    fixed_tensors,
    plain_keys,
    published_shapes,
    require_fits,
    under_our_names,
    under_published_names,
    with_weights,
)
from mindeye.models.published.dimensions import (
    Shapes,
    low_level_dimensions,
    prior_dimensions,
)
from mindeye.models.published.key_names import (
    has_older_names,
    mindeye1_low_level_names,
    mindeye1_names,
)
from mindeye.models.published.refusals import (
    MARKS_OF,
    require_family,
    require_kind,
    require_own_voxels,
    subject_with_voxels,
)
from mindeye.models.published_prior import PublishedPriorConfig

# Latents of a decoder that makes none: the shape is unused.
NO_LATENTS = (4, 64, 64)
FAMILY, LOW_LEVEL_FAMILY = "MindEye1", "MindEye1 low-level"
BUFFERS = "noise_scheduler"
# Our names of what stands in the two checkpoints.
HIGH_LEVEL = ("ridge.", "backbone.", "token_head.", "contrastive_head.", "prior.")
LOW_LEVEL = ("low_level.", "low_level_path.")


def decoder_from_mindeye1(
    state_dict: Mapping[str, Tensor],
    low_level: Mapping[str, Tensor] | None = None,
    *,
    subject: int | None = None,
) -> Decoder:
    """Our decoder with copies of MindEye1's weights, in evaluation mode.

    Args:
        state_dict: `model_state_dict` of the 257 x 768 or of the 1 x 768 checkpoint; low-level
            weights beside them, where `to_mindeye1` puts them, are read too.
        low_level: `model_state_dict` of the low-level checkpoint.
        subject: whose voxels; found by NSD's voxel counts where left out, else 1.

    Raises:
        LookupError: missing or unknown keys.
        ValueError: another family's checkpoint, misshapen weights, another subject's voxels.
    """
    state, blurry = plain_keys(state_dict), plain_keys(low_level or {})
    has_both = all(any(key.startswith(part) for key in state) for part in ("net.", "upsampler."))
    if low_level is None and has_both:
        state, blurry = split_low_level(state)
    require_family(state, FAMILY)
    if low_level is not None or blurry:
        require_family(blurry, LOW_LEVEL_FAMILY)
    shapes = Shapes(state, FAMILY)
    num_voxels = shapes.dimension(("voxel2clip.lin0.0.weight", 1))
    if subject is None:
        subject = subject_with_voxels(num_voxels) or 1
    require_own_voxels(subject, num_voxels)
    config, token_shape = _high_level_dimensions(shapes)
    low_level_config, latent_shape = None, NO_LATENTS
    if blurry:
        low_level_config, latent_shape = _low_level_dimensions(Shapes(blurry, LOW_LEVEL_FAMILY))
    empty = partial(
        Decoder,
        DecoderConfig(**config, low_level=low_level_config),
        num_voxels_of={subject: num_voxels},
        token_shape=token_shape,
        latent_shape=latent_shape,
    )
    decoder = on_meta(empty)
    names = _names(decoder, subject, older=has_older_names(blurry))
    fixed = fixed_tensors(config["prior"], "net", BUFFERS)
    require_fits(state, published_shapes(decoder, names, HIGH_LEVEL), fixed, FAMILY)
    require_fits(blurry, published_shapes(decoder, names, LOW_LEVEL), {}, LOW_LEVEL_FAMILY)
    return with_weights(empty, under_our_names({**state, **blurry}, decoder, names))


def split_low_level(
    state: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What `to_mindeye1` gives -> the two checkpoints as published: the main one, the low-level."""
    marks = MARKS_OF[LOW_LEVEL_FAMILY]
    blurry = {key: value for key, value in state.items() if key.startswith(marks)}
    return {key: value for key, value in state.items() if key not in blurry}, blurry


def to_mindeye1(decoder: Decoder) -> dict[str, Tensor]:
    """Copies of the weights under MindEye1's keys, with the buffers that follow from them.

    Low-level weights stand beside the others; in the published form they are a file of their own
    (`split_low_level`).

    Raises:
        ValueError: not a decoder of MindEye1's architecture, or one of several subjects.
    """
    config = decoder.config
    own_path = config.low_level is None or (
        isinstance(config.low_level, PublishedLowLevelConfig) and config.low_level.path is not None
    )
    require_kind(decoder, FAMILY, isinstance(config.backbone, BackboneConfig) and own_path)
    if len(decoder.subjects) != 1:
        raise ValueError(
            f"This decoder knows subjects {decoder.subjects}, but a MindEye1 checkpoint holds one. "
            "Write it with to_mindeye1 of a decoder that was made for one subject."
        )
    names = _names(decoder, decoder.subjects[0], older=True)
    fixed = fixed_tensors(config.prior, "net", BUFFERS)
    return {**fixed, **under_published_names(decoder, names)}


def _names(decoder: Decoder, subject: int, *, older: bool) -> tuple[tuple[str, str], ...]:
    config = decoder.config
    high = mindeye1_names(config.backbone.num_blocks, config.prior, subject)
    if not config.low_level:
        return high
    return high + mindeye1_low_level_names(config.low_level, subject, older=older)


def _high_level_dimensions(
    shapes: Shapes,
) -> tuple[dict[str, BackboneConfig | int | PublishedPriorConfig], tuple[int, int]]:
    """What `DecoderConfig` takes, and the shape of the tokens."""
    prior, token_shape = prior_dimensions(shapes, "net", BUFFERS, scale=None)
    backbone = BackboneConfig(
        width=shapes.dimension(
            ("voxel2clip.lin0.1.weight", 0),
            ("voxel2clip.lin0.0.weight", 0),
            ("voxel2clip.lin1.weight", 1),
        ),
        num_blocks=shapes.count("voxel2clip.mlp"),
    )
    contrastive_width = shapes.dimension(
        ("voxel2clip.projector.3.weight", 0),
        ("voxel2clip.projector.2.weight", 0),
        ("voxel2clip.projector.6.weight", 0),
    )
    config = {"backbone": backbone, "contrastive_width": contrastive_width, "prior": prior}
    return config, token_shape


def _low_level_dimensions(
    shapes: Shapes,
) -> tuple[PublishedLowLevelConfig, tuple[int, int, int]]:
    path = LowLevelPathConfig(
        width=shapes.dimension(("lin0.1.weight", 0), ("lin0.0.weight", 0), ("lin1.weight", 1)),
        num_blocks=shapes.count("mlp"),
    )
    return low_level_dimensions(
        shapes, linear="lin1", norm="norm", upsampler="upsampler", maps="maps_projector", path=path
    )
