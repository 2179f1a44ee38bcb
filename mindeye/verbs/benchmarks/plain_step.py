"""MindEye1's training step and prior written plainly, as published: the benchmarks' other side.

From the recipe alone (arXiv:2305.18274 and what its released code does), on the parameters of a
`Decoder`, so that both sides can begin with the same weights.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mindeye.models.attention import RelativePositionBias, rotary_frequencies
from mindeye.models.decoder import Decoder
from mindeye.models.published_prior import PublishedPrior
from mindeye.targets.clip import projected_tokens
from mindeye.training.drawn_step import DrawnStep

PRIOR_WEIGHT = 30.0


@dataclass(frozen=True, kw_only=True)
class PlainWays:
    """What of the step is no longer as published."""

    fused_attention: bool = False
    one_matrix: bool = False


def plain_losses(
    decoder: Decoder, step: DrawnStep, temperature: float, mixes: bool, ways: PlainWays
) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
    """(weighted losses, monitors) of a step; `step.targets.tokens` are CLIP's."""
    betas, images = step.mixed.parts[0].betas, step.targets.tokens
    tokens = plain_brain_tokens(decoder, betas)
    projected = decoder.contrastive_head.layers(tokens)
    prior = plain_prior_loss(decoder.prior, tokens, images, step, ways)
    brain = functional.normalize(projected.flatten(1), dim=-1)
    wanted = functional.normalize(images.flatten(1), dim=-1)
    similarities = brain @ wanted.T
    labels = step.mixed.labels if mixes else (wanted @ wanted.T / temperature).softmax(-1)
    logits = similarities / temperature
    forward = -(logits.log_softmax(-1) * labels).sum(-1).mean()
    logits = logits.T if ways.one_matrix else wanted @ brain.T / temperature
    backward = -(logits.log_softmax(-1) * labels.T).sum(-1).mean()
    losses = {"contrastive": (forward + backward) / 2, "prior": PRIOR_WEIGHT * prior}
    if ways.one_matrix:
        return losses, {"top1": _top1(similarities)}
    # As published: a product for each monitor, and each value is asked for in each step.
    monitors = {
        "top1": _top1(_cosines(brain, wanted)).item(),
        "top1_backward": _top1(_cosines(wanted, brain)).item(),
        "similarity": functional.cosine_similarity(brain, wanted).mean().item(),
    }
    return losses, {**monitors, **{name: one.item() for name, one in losses.items()}}


def plain_brain_tokens(
    decoder: Decoder, betas: Float[Tensor, "trials voxels"]
) -> Float[Tensor, "trials tokens width"]:
    """Linear, norm, GELU, dropout; residual blocks; one layer to all tokens."""
    enter = decoder.backbone.enter
    hidden = enter(decoder.ridge.layers["1"](betas))
    for block in decoder.backbone.blocks:
        residual = hidden
        hidden = block(hidden)
        hidden = hidden + residual
    flat = decoder.token_head.linear(hidden)
    return flat.reshape(len(flat), *decoder.token_head.token_shape)


def plain_prior_loss(
    prior: PublishedPrior,
    brain_tokens: Float[Tensor, "trials tokens width"],
    image_tokens: Float[Tensor, "trials tokens width"],
    step: DrawnStep,
    ways: PlainWays,
) -> Float[Tensor, ""]:
    """The noisy tokens' distance from the clean ones after the network."""
    draws = step.prior_draws
    clean = prior.scale * image_tokens
    kept = torch.from_numpy(prior.schedule.alphas_cumprod)[draws.times.cpu()].view(-1, 1, 1)
    noisy = kept.sqrt().to(clean) * clean + (1 - kept).sqrt().to(clean) * draws.noise
    brain_tokens = torch.where(draws.drop_brain.view(-1, 1, 1), prior.null_brain, brain_tokens)
    noisy = torch.where(draws.drop_image.view(-1, 1, 1), prior.null_image, noisy)
    predicted = plain_denoised(prior, noisy, draws.times, brain_tokens, ways)
    return functional.mse_loss(predicted, clean)


def plain_denoised(
    prior: PublishedPrior,
    noisy: Float[Tensor, "trials tokens width"],
    times: Int[Tensor, "trials"],
    brain_tokens: Float[Tensor, "trials tokens width"],
    ways: PlainWays,
) -> Float[Tensor, "trials tokens width"]:
    """The network's clean tokens, at the scale that it sees."""
    half = noisy.shape[-1] // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, device=noisy.device) / (half - 1))
    angles = times.view(-1, 1).float() * rates
    time = prior.time(torch.cat([angles.sin(), angles.cos()], dim=-1)).unsqueeze(1)
    tokens = torch.cat([brain_tokens, time, noisy + prior.places], dim=1)
    transformer = prior.transformer
    bias = _bias(transformer.position_bias, tokens.shape[1])
    for block in transformer.blocks:
        tokens = _attend(block.attention, tokens, bias, ways) + tokens
        normed = _norm(tokens, block.mlp.norm.gain)
        content, gate = block.mlp.to_mlp(normed).chunk(2, dim=-1)
        tokens = block.mlp.from_mlp(content * functional.silu(gate)) + tokens
    stable = tokens / tokens.amax(dim=-1, keepdim=True).detach()
    predicted = transformer.to_output(_norm(stable, transformer.norm.gain))
    return predicted[:, -noisy.shape[1] :]


def _attend(
    attention: nn.Module,
    tokens: Float[Tensor, "trials tokens width"],
    bias: Float[Tensor, "heads tokens keys"],
    ways: PlainWays,
) -> Float[Tensor, "trials tokens width"]:
    """Cosine attention with one key and value head; every matrix is written out."""
    normed = _norm(tokens, attention.norm.gain)
    query = attention.to_query(normed).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
    key, value = attention.to_key_value(normed).chunk(2, dim=-1)
    query, key = _turned(query * 16), _turned(key)
    null_key, null_value = (one.expand(len(key), 1, -1) for one in attention.null_key_value)
    key, value = torch.cat([null_key, key], dim=1), torch.cat([null_value, value], dim=1)
    query, key = (functional.normalize(one, dim=-1) * 4 for one in (query, key))
    if ways.fused_attention:
        heads = attention.num_heads
        key, value = (one.unsqueeze(1).expand(-1, heads, -1, -1) for one in (key, value))
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, scale=1.0
        )
    else:
        similarity = torch.einsum("bhid,bjd->bhij", query, key) + bias
        shares = similarity.softmax(dim=-1, dtype=torch.float32)
        attended = torch.einsum("bhij,bjd->bhid", shares, value)
    joined = attended.transpose(1, 2).flatten(2)
    return _norm(attention.from_heads(joined), attention.output_norm.gain)


def _bias(bias: RelativePositionBias, num_tokens: int) -> Float[Tensor, "heads tokens keys"]:
    """T5's buckets (arXiv:1910.10683) of how far a key lies behind; all ahead share bucket 0."""
    places = torch.arange(num_tokens + 1, device=bias.table.weight.device)
    behind = (places[:-1].view(-1, 1) - places.view(1, -1)).clamp_min(0)
    far = 16 + ((behind.clamp_min(1) / 16).log() / math.log(128 / 16) * 16).long()
    return bias.table(torch.where(behind < 16, behind, far.clamp_max(31))).permute(2, 0, 1)


def _norm(
    tokens: Float[Tensor, "trials tokens width"], gain: Float[Tensor, "width"]
) -> Float[Tensor, "trials tokens width"]:
    variance = tokens.var(dim=-1, unbiased=False, keepdim=True)
    mean = tokens.mean(dim=-1, keepdim=True)
    return (tokens - mean) * (variance + 1e-5).rsqrt() * gain


def _turned(
    heads: Float[Tensor, "*heads tokens features"],
) -> Float[Tensor, "*heads tokens features"]:
    """Rotary positions of neighbouring pairs (arXiv:2104.09864), angles made anew."""
    frequencies = rotary_frequencies(heads.shape[-1]).to(heads.device)
    places = torch.arange(heads.shape[-2], device=heads.device).float()
    angles = (places.view(-1, 1) * frequencies).repeat_interleave(2, dim=-1)
    front, rest = heads[..., : angles.shape[-1]], heads[..., angles.shape[-1] :]
    pairs = front.unflatten(-1, (-1, 2))
    turned = torch.stack([-pairs[..., 1], pairs[..., 0]], dim=-1).flatten(-2)
    return torch.cat([front * angles.cos() + turned * angles.sin(), rest], dim=-1)


def _cosines(
    one: Float[Tensor, "trials features"], other: Float[Tensor, "images features"]
) -> Float[Tensor, "trials images"]:
    one, other = (vectors / vectors.norm(dim=-1, keepdim=True) for vectors in (one, other))
    return one @ other.T


def _top1(similarities: Float[Tensor, "trials images"]) -> Float[Tensor, ""]:
    own: Int[Tensor, trials] = torch.arange(len(similarities), device=similarities.device)
    return (similarities.argmax(-1) == own).float().mean()


@torch.no_grad()
def embedded(
    visual: nn.Module, pictures: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images tokens width"]:
    """CLIP's tokens of pictures, as every published step computes them anew."""
    return projected_tokens(visual, pictures)
