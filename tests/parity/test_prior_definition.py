"""The published prior, written out slowly under its own keys, against ours; float32, CPU.

The slow form is checked against the published numbers first. Then it goes where those do not:
long sequences, heads wider than their rotary part, and the 1 x 768 form.
"""

import math

import pytest
import torch

from mindeye.models.published import decoder_from_mindeye1, to_mindeye1

Weights = dict[str, torch.Tensor]


def normed(x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain


def rotated(vector: torch.Tensor, place: int) -> torch.Tensor:
    turned = vector.clone()
    width = min(32, len(vector))
    for pair in range(width // 2):
        angle = place / 10000 ** (2 * pair / width)
        x, y = vector[2 * pair].item(), vector[2 * pair + 1].item()
        turned[2 * pair] = x * math.cos(angle) - y * math.sin(angle)
        turned[2 * pair + 1] = y * math.cos(angle) + x * math.sin(angle)
    return turned


def bucket(behind: int) -> int:
    if behind < 16:
        return max(behind, 0)
    return min(31, 16 + int(math.log(behind / 16) / math.log(8) * 16))


def attention(x: torch.Tensor, weights: Weights, layer: str, *, causal: bool) -> torch.Tensor:
    """One trial, one head, one query at a time; key 0 is the null key."""
    table = weights["net.causal_transformer.rel_pos_bias.relative_attention_bias.weight"]
    x = normed(x, weights[f"{layer}.norm.g"])
    key, value = (x @ weights[f"{layer}.to_kv.weight"].T).chunk(2, -1)
    null_key, null_value = weights[f"{layer}.null_kv"]
    keys = torch.stack([null_key, *(rotated(one, place) for place, one in enumerate(key))])
    keys = keys / keys.norm(dim=-1, keepdim=True)
    values = torch.cat([null_value.unsqueeze(0), value])
    queries = (x @ weights[f"{layer}.to_q.weight"].T).unflatten(-1, (table.shape[1], -1))
    rows = []
    for place, heads in enumerate(queries):
        seen = place + 2 if causal else len(keys)
        row = []
        for head, query in enumerate(heads):
            query = rotated(query, place)
            logits = 16 * keys[:seen] @ (query / query.norm())
            logits += torch.stack([table[bucket(place - other), head] for other in range(seen)])
            row.append(logits.softmax(0) @ values[:seen])
        rows.append(torch.cat(row))
    out = torch.stack(rows) @ weights[f"{layer}.to_out.0.weight"].T
    return normed(out, weights[f"{layer}.to_out.1.g"])


def mlp(x: torch.Tensor, weights: Weights, layer: str) -> torch.Tensor:
    x = normed(x, weights[f"{layer}.0.g"]) @ weights[f"{layer}.1.weight"].T
    content, gate = x.chunk(2, -1)
    x = content * gate * gate.sigmoid()
    if f"{layer}.3.g" in weights:
        x = normed(x, weights[f"{layer}.3.g"])
    return x @ weights[f"{layer}.5.weight"].T


def time_token(time: int, weights: Weights) -> torch.Tensor:
    if "net.to_time_embeds.0.weight" in weights:
        return weights["net.to_time_embeds.0.weight"][time]
    half = weights["net.learned_query"].shape[-1] // 2
    angles = time * torch.exp(-math.log(10000) * torch.arange(half) / (half - 1))
    hidden = torch.cat([angles.sin(), angles.cos()])
    for layer in ("0.0", "1.0", "2"):
        name = f"net.to_time_embeds.0.1.net.{layer}"
        hidden = weights[f"{name}.weight"] @ hidden + weights[f"{name}.bias"]
        hidden = hidden if layer == "2" else hidden * hidden.sigmoid()
    return hidden


def predicted(
    noisy: torch.Tensor, time: int, brain: torch.Tensor, weights: Weights
) -> torch.Tensor:
    """Clean tokens of one trial."""
    time_row, query = time_token(time, weights).unsqueeze(0), weights["net.learned_query"]
    causal = "net.null_text_encodings" in weights
    if causal:
        padding = weights["net.null_text_encodings"][0]
        x = torch.cat([padding, brain, time_row, noisy, query.unsqueeze(0)])
    else:
        x = torch.cat([brain, time_row, noisy + query])
    depth = sum(key.endswith("null_kv") for key in weights)
    for layer in range(depth):
        name = f"net.causal_transformer.layers.{layer}"
        x = x + attention(x, weights, f"{name}.0", causal=causal)
        x = x + mlp(x, weights, f"{name}.1")
    x = x / x.amax(-1, keepdim=True)
    x = normed(x, weights["net.causal_transformer.norm.g"])
    return (x @ weights["net.causal_transformer.project_out.weight"].T)[-len(noisy) :]


def made_up_mindeye1(
    *, width: int, tokens: int, heads: int, head_width: int, padding: int = 0
) -> Weights:
    """A small MindEye1 checkpoint: two layers, 1 x width with `padding`, else tokens x width."""
    shapes: dict[str, tuple[int, ...]] = {
        "voxel2clip.lin0.0.weight": (6, 7),
        "voxel2clip.lin0.0.bias": (6,),
        "voxel2clip.lin1.weight": (tokens * width, 6),
        "voxel2clip.lin1.bias": (tokens * width,),
    }
    for name, size in {
        "lin0.1": 6,
        "projector.0": width,
        "projector.3": 8,
        "projector.6": 8,
    }.items():
        shapes |= {f"voxel2clip.{name}.weight": (size,), f"voxel2clip.{name}.bias": (size,)}
    for name, size in {"2": (8, width), "5": (8, 8), "8": (width, 8)}.items():
        shapes[f"voxel2clip.projector.{name}.weight"] = size
        shapes[f"voxel2clip.projector.{name}.bias"] = size[:1]
    if padding:
        shapes |= {
            "net.learned_query": (width,),
            "net.null_text_encodings": (1, padding, width),
            "net.null_text_embeds": (1, 1, width),
            "net.null_image_embed": (1, width),
            "net.to_time_embeds.0.weight": (50, width),
        }
    else:
        for name in ("learned_query", "null_brain_embeds", "null_image_embed"):
            shapes[f"net.{name}"] = (tokens, width)
        for name, size in {"0.0": (2, 1), "1.0": (2, 2), "2": (1, 2)}.items():
            layer = f"net.to_time_embeds.0.1.net.{name}"
            shapes[f"{layer}.weight"] = (size[0] * width, size[1] * width)
            shapes[f"{layer}.bias"] = (size[0] * width,)
    transformer = "net.causal_transformer"
    shapes[f"{transformer}.rel_pos_bias.relative_attention_bias.weight"] = (32, heads)
    for layer in (f"{transformer}.layers.0", f"{transformer}.layers.1"):
        shapes |= {
            f"{layer}.0.null_kv": (2, head_width),
            f"{layer}.0.norm.g": (width,),
            f"{layer}.0.to_q.weight": (heads * head_width, width),
            f"{layer}.0.to_kv.weight": (2 * head_width, width),
            f"{layer}.0.to_out.0.weight": (width, heads * head_width),
            f"{layer}.0.to_out.1.g": (width,),
            f"{layer}.1.0.g": (width,),
            f"{layer}.1.1.weight": (8 * width, width),
            f"{layer}.1.5.weight": (width, 4 * width),
        }
        if padding:
            shapes[f"{layer}.1.3.g"] = (4 * width,)
    shapes |= {f"{transformer}.norm.g": (width,), f"{transformer}.project_out.weight": (width,) * 2}
    generator = torch.Generator().manual_seed(0)
    drawn = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    return {
        key: value / value.shape[-1] ** 0.5 if value.dim() > 1 else 1 + value / 10
        for key, value in drawn.items()
    }


def assert_agrees(ours: torch.Tensor, slow: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert (ours - slow).abs().max() <= tolerance * slow.abs().max()


def test_the_slow_form_gives_the_published_numbers(weights_of, numbers):
    weights = weights_of("mindeye1")
    for trial in (0, 2):
        slow = predicted(
            numbers["me1.prior.noisy"][trial],
            int(numbers["me1.prior.times"][trial]),
            numbers["me1.backbone_tokens"][trial],
            weights,
        )
        assert_agrees(slow, numbers["me1.prior.predicted"][trial])


@pytest.mark.parametrize(
    "form",
    [
        # 141 tokens: every bucket of the position bias, the last one included.
        {"width": 32, "tokens": 70, "heads": 2, "head_width": 16},
        {"width": 24, "tokens": 9, "heads": 3, "head_width": 52},
        {"width": 16, "tokens": 1, "heads": 2, "head_width": 12, "padding": 40},
    ],
    ids=["long", "wide heads", "1 x 768"],
)
def test_our_prior_is_the_slow_form(form):
    weights = made_up_mindeye1(**form)
    prior = decoder_from_mindeye1(weights).prior.requires_grad_(False)
    shape = (2, form["tokens"], form["width"])
    generator = torch.Generator().manual_seed(1)
    noisy, brain = (torch.randn(shape, generator=generator) for _ in range(2))
    times = torch.tensor([3, 41])
    ours = prior.denoise(noisy, times, brain)
    for trial in range(2):
        slow = predicted(noisy[trial], int(times[trial]), brain[trial], weights)
        assert_agrees(ours[trial], slow)


def test_the_1_x_768_form_comes_back_to_the_bit_and_samples():
    weights = made_up_mindeye1(width=16, tokens=1, heads=2, head_width=12, padding=40)
    decoder = decoder_from_mindeye1(weights)
    written = to_mindeye1(decoder)
    for key, value in weights.items():
        torch.testing.assert_close(written[key], value, rtol=0, atol=0)
    assert len(written["noise_scheduler.betas"]) == 50
    brain = decoder(torch.randn(3, 7), subject=1).brain_tokens
    assert brain.shape == (3, 1, 16)
    generator = torch.Generator().manual_seed(0)
    tokens = decoder.prior.sample(brain, sampler="ddpm", steps=50, generator=generator)
    assert tokens.shape == brain.shape
    assert tokens.isfinite().all()
