"""The released checkpoints' keys and shapes, converted on the meta device: no weights needed."""

import json
from pathlib import Path

import pytest
import torch

from mindeye.models.decoder import Decoder
from mindeye.models.published import (
    decoder_from_mindeye1,
    decoder_from_mindeye2,
    to_mindeye1,
    to_mindeye2,
)

MODELS = Path(__file__).parent / "golden" / "models.json"
BUFFERS = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "p2_loss_weight",
)
Shapes = dict[str, tuple[int, ...]]


def layer(name: str, out: int, into: int | None = None, *, bias: bool = True) -> Shapes:
    """A linear layer, or a norm where `into` is left out."""
    shapes: Shapes = {f"{name}.weight": (out,) if into is None else (out, into)}
    return shapes | ({f"{name}.bias": (out,)} if bias else {})


def projector(name: str, width: int, inside: int) -> Shapes:
    return (
        layer(f"{name}.0", width)
        | layer(f"{name}.2", inside, width)
        | layer(f"{name}.3", inside)
        | layer(f"{name}.5", inside, inside)
        | layer(f"{name}.6", inside)
        | layer(f"{name}.8", width, inside)
    )


def transformer(name: str, width: int, depth: int, heads: int, head_width: int) -> Shapes:
    inside = heads * head_width
    shapes: Shapes = {f"{name}.rel_pos_bias.relative_attention_bias.weight": (32, heads)}
    for one in (f"{name}.layers.{i}" for i in range(depth)):
        shapes |= {
            f"{one}.0.null_kv": (2, head_width),
            f"{one}.0.norm.g": (width,),
            f"{one}.0.to_q.weight": (inside, width),
            f"{one}.0.to_kv.weight": (2 * head_width, width),
            f"{one}.0.rotary_emb.freqs": (16,),
            f"{one}.0.to_out.0.weight": (width, inside),
            f"{one}.0.to_out.1.g": (width,),
            f"{one}.1.0.g": (width,),
            f"{one}.1.1.weight": (8 * width, width),
            f"{one}.1.5.weight": (width, 4 * width),
        }
    return shapes | {f"{name}.norm.g": (width,), f"{name}.project_out.weight": (width, width)}


def prior(prefix: str, width: int, tokens: int, heads: int, head_width: int) -> Shapes:
    """The prior of all tokens: 13 buffers and 72 tensors."""
    shapes: Shapes = {f"{prefix}noise_scheduler.{name}": (100,) for name in BUFFERS}
    for name in ("learned_query", "null_brain_embeds", "null_image_embed"):
        shapes[f"{prefix}net.{name}"] = (tokens, width)
    time = f"{prefix}net.to_time_embeds.0.1.net"
    return (
        shapes
        | layer(f"{time}.0.0", 2 * width, width)
        | layer(f"{time}.1.0", 2 * width, 2 * width)
        | layer(f"{time}.2", width, 2 * width)
        | transformer(f"{prefix}net.causal_transformer", width, 6, heads, head_width)
    )


def prior_1x768() -> Shapes:
    shapes: Shapes = {f"noise_scheduler.{name}": (1000,) for name in BUFFERS}
    shapes |= {
        "net.learned_query": (768,),
        "net.null_text_encodings": (1, 256, 768),
        "net.null_text_embeds": (1, 1, 768),
        "net.null_image_embed": (1, 768),
        "net.to_time_embeds.0.weight": (1000, 768),
    }
    name = "net.causal_transformer"
    norms: Shapes = {f"{name}.layers.{i}.1.3.g": (3072,) for i in range(12)}
    return shapes | transformer(name, 768, 12, 12, 64) | norms


def voxel2clip(voxels: int, out: int) -> Shapes:
    shapes = layer("voxel2clip.lin0.0", 4096, voxels) | layer("voxel2clip.lin0.1", 4096)
    for block in range(4):
        shapes |= layer(f"voxel2clip.mlp.{block}.0", 4096, 4096)
        shapes |= layer(f"voxel2clip.mlp.{block}.1", 4096)
    shapes |= layer("voxel2clip.lin1", out, 4096)
    return shapes | projector("voxel2clip.projector", 768, 2048)


def golden_convolutions(model: str, prefixes: tuple[str, ...]) -> Shapes:
    """Those of the small golden networks have the full size."""
    entries = json.loads(MODELS.read_text(encoding="utf-8"))["models"][model]["keys"]
    return {
        entry["key"]: tuple(entry["shape"])
        for entry in entries
        if entry["key"].startswith(prefixes)
    }


def low_level(voxels: int) -> Shapes:
    shapes = layer("lin0.0", 4096, voxels, bias=False) | layer("lin0.1", 4096)
    for block in range(4):
        shapes |= layer(f"mlp.{block}.0", 4096, 4096, bias=False) | layer(f"mlp.{block}.1", 4096)
    shapes |= layer("lin1", 16384, 4096, bias=False)
    convolutions = ("norm.", "upsampler.", "maps_projector.")
    return shapes | golden_convolutions("mindeye1_low_level", convolutions)


def mindeye2(hidden: int, voxels: tuple[int, ...], *, blurry: bool) -> Shapes:
    shapes: Shapes = {}
    for place, count in enumerate(voxels):
        shapes |= layer(f"ridge.linears.{place}", hidden, count)
    for name, width in (("mixer_blocks1", hidden), ("mixer_blocks2", 1)):
        for block in (f"backbone.{name}.{i}" for i in range(4)):
            shapes |= layer(f"{block}.0", width)
            shapes |= layer(f"{block}.1.0", width, width) | layer(f"{block}.1.3", width, width)
    shapes |= layer("backbone.backbone_linear", 256 * 1664, hidden)
    shapes |= projector("backbone.clip_proj", 1664, 1664)
    if blurry:
        parts = ("backbone.bnorm.", "backbone.bupsampler.", "backbone.b_maps_projector.")
        shapes |= layer("backbone.blin1", 3136, hidden) | golden_convolutions("mindeye2", parts)
    return shapes | prior("diffusion_prior.", 1664, 256, 32, 52)


def on_meta(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def count(decoder: Decoder, part: str = "") -> int:
    named = decoder.named_parameters()
    return sum(one.numel() for name, one in named if name.startswith(part))


def assert_same_shapes(written: dict[str, torch.Tensor], shapes: Shapes) -> None:
    assert {key: tuple(value.shape) for key, value in written.items()} == shapes


MINDEYE1 = voxel2clip(15724, 257 * 768) | prior("", 768, 257, 12, 64)
FROZEN_FREQUENCIES = 16


def test_mindeye1_has_119_tensors_and_a_billion_parameters():
    assert len(MINDEYE1) == 119
    decoder = decoder_from_mindeye1(on_meta(MINDEYE1))
    assert decoder.subjects == (1,)
    assert count(decoder) == 1_003_635_088 - FROZEN_FREQUENCIES
    assert count(decoder, "prior.") == 56_055_184 - FROZEN_FREQUENCIES
    assert decoder.prior.scale == pytest.approx(27.7128, abs=1e-4)
    assert_same_shapes(to_mindeye1(decoder), MINDEYE1)


def test_mindeye1s_low_level_network_has_114_tensors():
    shapes = low_level(15724)
    assert len(shapes) == 114
    decoder = decoder_from_mindeye1(on_meta(MINDEYE1), low_level=on_meta(shapes))
    assert count(decoder, "low_level") == 206_065_604
    assert_same_shapes(to_mindeye1(decoder), MINDEYE1 | shapes)


def test_the_1_x_768_prior_has_140_tensors():
    net = prior_1x768()
    assert sum(key.startswith("net.") for key in net) == 140
    shapes = voxel2clip(15724, 768) | net
    decoder = decoder_from_mindeye1(on_meta(shapes))
    assert count(decoder) - count(decoder, "prior.") == 142_076_928
    assert count(decoder, "prior.") == 101_894_032 - FROZEN_FREQUENCIES
    assert_same_shapes(to_mindeye1(decoder), shapes)


def test_mindeye2_has_249_tensors_and_134_million_parameters_that_do_nothing():
    shapes = mindeye2(4096, (15724,), blurry=True)
    assert len(shapes) == 249
    whole = decoder_from_mindeye2(on_meta(shapes), subjects=(1,), keep_idle_mixer=True)
    assert count(whole, "ridge.") == 64_409_600
    assert count(whole, "prior.") == 259_865_216 - FROZEN_FREQUENCIES
    assert count(whole) == 2_227_294_844 - FROZEN_FREQUENCIES
    folded = decoder_from_mindeye2(on_meta(shapes), subjects=(1,))
    # With the gains of the four norms over one number.
    assert count(whole) - count(folded) == 134_283_264 + 4
    for decoder in (whole, folded):
        assert_same_shapes(to_mindeye2(decoder), shapes)


def test_mindeye2_of_1024_without_low_level_network():
    shapes = mindeye2(1024, (15724,), blurry=False)
    decoder = decoder_from_mindeye2(on_meta(shapes), subjects=(1,), keep_idle_mixer=True)
    assert decoder.low_level is None
    assert count(decoder) == 729_327_896 - FROZEN_FREQUENCIES


def test_mindeye2_of_seven_subjects():
    voxels = (14278, 15226, 13153, 13039, 17907, 12682, 14386)
    shapes = mindeye2(4096, voxels, blurry=True)
    decoder = decoder_from_mindeye2(on_meta(shapes), subjects=range(2, 9))
    assert decoder.subjects == (2, 3, 4, 5, 6, 7, 8)
    assert_same_shapes(to_mindeye2(decoder), shapes)


@pytest.mark.parametrize(("voxels", "subject"), [(14278, 2), (13039, 5), (12682, 7), (4000, 1)])
def test_the_subject_of_mindeye1_is_known_by_its_voxels(voxels, subject):
    shapes = voxel2clip(voxels, 768) | prior_1x768()
    assert decoder_from_mindeye1(on_meta(shapes)).subjects == (subject,)


def test_voxels_of_another_subject_are_refused():
    shapes = mindeye2(64, (15724, 12682), blurry=False)
    message = r"subject 2 has 12682 voxels, which is subject 7's nsdgeneral \(subject 2 has 14278\)"
    with pytest.raises(ValueError, match=message):
        decoder_from_mindeye2(on_meta(shapes), subjects=(1, 2))
    with pytest.raises(ValueError, match="which is subject 1's"):
        decoder_from_mindeye1(on_meta(MINDEYE1), subject=5)
