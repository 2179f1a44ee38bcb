"""MindEye2's checkpoints <-> our decoder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.meta_device import on_meta
from mindeye.models.mixer_backbone import MixerBackboneConfig
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
from mindeye.models.published.key_names import has_older_names, mindeye2_names, published_name
from mindeye.models.published.refusals import (
    require_family,
    require_kind,
    require_own_voxels,
    require_subjects,
)

FAMILY = "MindEye2"
NET, BUFFERS = "diffusion_prior.net", "diffusion_prior.noise_scheduler"


def decoder_from_mindeye2(
    state_dict: Mapping[str, Tensor], subjects: Sequence[int], *, keep_idle_mixer: bool = False
) -> Decoder:
    """Our decoder with copies of MindEye2's weights, in evaluation mode.

    Args:
        state_dict: `model_state_dict` of the checkpoint.
        subjects: whose ridge layers it holds, in their order.
        keep_idle_mixer: whether to keep the weights that no output depends on; without them the
            decoder has 134 million parameters fewer at full size and the same outputs.

    Raises:
        LookupError: missing or unknown keys.
        ValueError: another family's checkpoint, misshapen weights, other subjects.
    """
    state = plain_keys(state_dict)
    require_family(state, FAMILY)
    shapes = Shapes(state, FAMILY)
    require_subjects(subjects, shapes.count("ridge.linears"))
    num_voxels_of = {
        subject: shapes.dimension((f"ridge.linears.{place}.weight", 1))
        for place, subject in enumerate(subjects)
    }
    for subject, num_voxels in num_voxels_of.items():
        require_own_voxels(subject, num_voxels)
    config, token_shape, latent_shape = _dimensions(shapes)
    empty = partial(
        Decoder, num_voxels_of=num_voxels_of, token_shape=token_shape, latent_shape=latent_shape
    )
    whole = on_meta(partial(empty, config))
    names = _names(whole, older=has_older_names(state))
    fixed = fixed_tensors(config.prior, NET, BUFFERS)
    require_fits(state, published_shapes(whole, names), fixed, FAMILY)
    kept = replace(config, backbone=replace(config.backbone, keep_idle=keep_idle_mixer))
    return with_weights(partial(empty, kept), under_our_names(state, whole, names))


def to_mindeye2(decoder: Decoder) -> dict[str, Tensor]:
    """Copies of the weights under MindEye2's keys, with the buffers that follow from them.

    Idle mixer weights that the decoder has not kept come back as zeros: the published code loads
    them and gives the same outputs.

    Raises:
        ValueError: not a decoder of MindEye2's architecture.
    """
    config = decoder.config
    from_hidden = config.low_level is None or (
        isinstance(config.low_level, PublishedLowLevelConfig) and config.low_level.path is None
    )
    require_kind(decoder, FAMILY, isinstance(config.backbone, MixerBackboneConfig) and from_hidden)
    names = _names(decoder, older=False)
    weights = under_published_names(decoder, names)
    if not config.backbone.keep_idle:
        weights |= _zero_mixer(decoder)
    return {**fixed_tensors(config.prior, NET, BUFFERS), **weights}


def _zero_mixer(decoder: Decoder) -> dict[str, Tensor]:
    backbone = replace(decoder.config.backbone, keep_idle=True)
    idle = on_meta(partial(type(decoder.backbone), backbone)).idle
    like = decoder.token_head.linear.weight
    names = _names(decoder, older=False)
    return {
        published_name(f"backbone.idle.{name}", names): like.new_zeros(value.shape)
        for name, value in idle.state_dict().items()
    }


def _names(decoder: Decoder, *, older: bool) -> tuple[tuple[str, str], ...]:
    config = decoder.config
    return mindeye2_names(config.backbone, config.prior, decoder.subjects, older=older)


def _dimensions(shapes: Shapes) -> tuple[DecoderConfig, tuple[int, int], tuple[int, int, int]]:
    """The configuration with all weights, and the shapes of tokens and latents."""
    prior, token_shape = prior_dimensions(shapes, NET, BUFFERS, scale=1.0)
    width = shapes.dimension(
        ("ridge.linears.*.bias", 0),
        ("backbone.mixer_blocks1.*.0.weight", 0),
        ("backbone.backbone_linear.weight", 1),
    )
    low_level, latent_shape = None, (4, 28, 28)
    if any(shapes.has(f"backbone.{part}") for part in ("blin1", "bnorm", "bupsampler", "b_maps")):
        low_level, latent_shape = low_level_dimensions(
            shapes,
            linear="backbone.blin1",
            norm="backbone.bnorm",
            upsampler="backbone.bupsampler",
            maps="backbone.b_maps_projector",
            path=None,
        )
    backbone = MixerBackboneConfig(
        width=width,
        num_blocks=max(shapes.count(f"backbone.mixer_blocks{half}") for half in (1, 2)),
        keep_idle=True,
    )
    contrastive_width = shapes.dimension(
        ("backbone.clip_proj.3.weight", 0),
        ("backbone.clip_proj.2.weight", 0),
        ("backbone.clip_proj.6.weight", 0),
    )
    config = DecoderConfig(
        backbone=backbone, contrastive_width=contrastive_width, prior=prior, low_level=low_level
    )
    return config, token_shape, latent_shape
