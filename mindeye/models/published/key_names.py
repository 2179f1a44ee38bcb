"""What published checkpoints call our weights."""

from collections.abc import Iterable, Sequence

from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published_prior import PublishedPriorConfig

# (our prefix, the published one); a prefix ends where a name does.
Names = tuple[tuple[str, str], ...]

# Diffusers' names of the same layers: those of 0.13, and those since.
OLDER_NAMES = (
    ("to_q", "query"),
    ("to_k", "key"),
    ("to_v", "value"),
    ("to_out.0", "proj_attn"),
)
ATTENTION = "upsampler.mid_block.attentions.0"


def published_name(name: str, names: Names) -> str:
    """The published key of one of our weights."""
    for ours, theirs in names:
        if name == ours or name.startswith(ours + "."):
            return theirs + name[len(ours) :]
    raise AssertionError(f"no published name for {name}")


def has_older_names(keys: Iterable[str]) -> bool:
    """Whether the low-level network was written by diffusers 0.13."""
    older = tuple(f"{ATTENTION}.{older}." for _, older in OLDER_NAMES)
    return any(name in key for key in keys for name in older)


def mindeye1_names(num_blocks: int, prior: PublishedPriorConfig, subject: int) -> Names:
    return (
        (f"ridge.layers.{subject}", "voxel2clip.lin0.0"),
        ("backbone.enter.0", "voxel2clip.lin0.1"),
        *((f"backbone.blocks.{i}", f"voxel2clip.mlp.{i}") for i in range(num_blocks)),
        ("token_head.linear", "voxel2clip.lin1"),
        ("contrastive_head.layers", "voxel2clip.projector"),
        *prior_names(prior, "net"),
    )


def mindeye1_low_level_names(
    config: PublishedLowLevelConfig, subject: int, *, older: bool
) -> Names:
    blocks = range(config.path.num_blocks) if config.path else ()
    return (
        (f"low_level_path.ridge.layers.{subject}", "lin0.0"),
        ("low_level_path.backbone.enter.0", "lin0.1"),
        *((f"low_level_path.backbone.blocks.{i}", f"mlp.{i}") for i in blocks),
        ("low_level.linear", "lin1"),
        ("low_level.norm", "norm"),
        *_upsampler_names("upsampler", older=older),
        ("low_level.map_head", "maps_projector"),
    )


def mindeye2_names(
    backbone: MixerBackboneConfig,
    prior: PublishedPriorConfig,
    subjects: Sequence[int],
    *,
    older: bool = False,
) -> Names:
    return (
        *(
            (f"ridge.layers.{subject}", f"ridge.linears.{place}")
            for place, subject in enumerate(subjects)
        ),
        *(pair for block in range(backbone.num_blocks) for pair in _mixer_names(block)),
        ("token_head.linear", "backbone.backbone_linear"),
        ("contrastive_head.layers", "backbone.clip_proj"),
        ("low_level.linear", "backbone.blin1"),
        ("low_level.norm", "backbone.bnorm"),
        *_upsampler_names("backbone.bupsampler", older=older),
        ("low_level.map_head", "backbone.b_maps_projector"),
        *prior_names(prior, "diffusion_prior.net"),
    )


def _upsampler_names(theirs: str, *, older: bool) -> Names:
    inside = ATTENTION.removeprefix("upsampler")
    attention = tuple(
        (f"low_level.{ATTENTION}.{ours}", f"{theirs}{inside}.{name}") for ours, name in OLDER_NAMES
    )
    return (*(attention if older else ()), ("low_level.upsampler", theirs))


def _mixer_names(block: int) -> Names:
    features, sequence = (f"backbone.mixer_blocks{half}.{block}" for half in (1, 2))
    scalars, idle = f"backbone.scalars.{block}", f"backbone.idle.{block}"
    return (
        (f"{scalars}.bias", f"{sequence}.0.bias"),
        (f"{scalars}.first", f"{sequence}.1.0"),
        (f"{scalars}.second", f"{sequence}.1.3"),
        (f"{idle}.gain.0", f"{sequence}.0.weight"),
        (f"{idle}.norm", f"{features}.0"),
        (f"{idle}.first", f"{features}.1.0"),
        (f"{idle}.second", f"{features}.1.3"),
    )


def prior_names(config: PublishedPriorConfig, net: str) -> Names:
    transformer = f"{net}.causal_transformer"
    if config.num_padding:
        ends: Names = (
            ("prior.padding", f"{net}.null_text_encodings"),
            ("prior.null_brain", f"{net}.null_text_embeds"),
            ("prior.time", f"{net}.to_time_embeds.0"),
        )
    else:
        ends = (
            ("prior.null_brain", f"{net}.null_brain_embeds"),
            ("prior.time.0", f"{net}.to_time_embeds.0.1.net.0.0"),
            ("prior.time.2", f"{net}.to_time_embeds.0.1.net.1.0"),
            ("prior.time.4", f"{net}.to_time_embeds.0.1.net.2"),
        )
    return (
        *ends,
        ("prior.places", f"{net}.learned_query"),
        ("prior.null_image", f"{net}.null_image_embed"),
        (
            "prior.transformer.position_bias.table",
            f"{transformer}.rel_pos_bias.relative_attention_bias",
        ),
        *(
            pair
            for block in range(config.depth)
            for pair in _block_names(
                f"prior.transformer.blocks.{block}", f"{transformer}.layers.{block}"
            )
        ),
        ("prior.transformer.norm.gain", f"{transformer}.norm.g"),
        ("prior.transformer.to_output", f"{transformer}.project_out"),
    )


def _block_names(ours: str, theirs: str) -> Names:
    return (
        (f"{ours}.attention.null_key_value", f"{theirs}.0.null_kv"),
        (f"{ours}.attention.norm.gain", f"{theirs}.0.norm.g"),
        (f"{ours}.attention.to_query", f"{theirs}.0.to_q"),
        (f"{ours}.attention.to_key_value", f"{theirs}.0.to_kv"),
        (f"{ours}.attention.from_heads", f"{theirs}.0.to_out.0"),
        (f"{ours}.attention.output_norm.gain", f"{theirs}.0.to_out.1.g"),
        (f"{ours}.mlp.norm.gain", f"{theirs}.1.0.g"),
        (f"{ours}.mlp.to_mlp", f"{theirs}.1.1"),
        (f"{ours}.mlp.inside_norm.gain", f"{theirs}.1.3.g"),
        (f"{ours}.mlp.from_mlp", f"{theirs}.1.5"),
    )
