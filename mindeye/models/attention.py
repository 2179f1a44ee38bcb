"""Attention of the published priors, and the position signals and norm around it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# Facts of the published networks; no checkpoint holds them.
COSINE_SCALE = 16.0
MAX_ROTARY_WIDTH = 32
NUM_BUCKETS = 32
MAX_DISTANCE = 128


class GainNorm(nn.Module):
    """Layer norm with a gain and no bias.

    Args:
        coarse_epsilon: 1e-3 instead of 1e-5 in other types than float32, as published.
    """

    def __init__(self, width: int, *, coarse_epsilon: bool = False) -> None:
        super().__init__()
        self.coarse_epsilon = coarse_epsilon
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        coarse = self.coarse_epsilon and tokens.dtype != torch.float32
        epsilon = 1e-3 if coarse else 1e-5
        return functional.layer_norm(tokens, self.gain.shape, self.gain, eps=epsilon)


class RelativePositionBias(nn.Module):
    """T5's learned bias by distance (arXiv:1910.10683), for keys that begin with the null key.

    Differs from T5 as the published network does: keys count from the null key on, so that a
    query is one step behind its own key, and everything ahead of it shares bucket 0.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.table = nn.Embedding(NUM_BUCKETS, num_heads)

    def forward(self, num_queries: int) -> Float[Tensor, "heads queries keys"]:
        device = self.table.weight.device
        keys = torch.arange(num_queries + 1, device=device)
        behind = (keys[:-1].unsqueeze(1) - keys).clamp_min(0)
        exact = NUM_BUCKETS // 2
        octaves = (behind.clamp_min(1) / exact).log() / math.log(MAX_DISTANCE / exact)
        coarse = (exact + (octaves * (NUM_BUCKETS - exact)).long()).clamp_max(NUM_BUCKETS - 1)
        return self.table(torch.where(behind < exact, behind, coarse)).permute(2, 0, 1)


def rotary_frequencies(head_width: int) -> Float[Tensor, "pairs"]:
    """Angle a position, one for each pair of rotated features."""
    width = min(MAX_ROTARY_WIDTH, head_width)
    return 1 / 10000 ** (torch.arange(0, width, 2, device="cpu").float() / width)


def rotate_by_position(
    heads: Float[Tensor, "*heads tokens features"],
) -> Float[Tensor, "*heads tokens features"]:
    """Turns neighbouring pairs of the first 32 features by position (arXiv:2104.09864)."""
    frequencies = rotary_frequencies(heads.shape[-1]).to(heads.device)
    places = torch.arange(heads.shape[-2], device=heads.device, dtype=torch.float32)
    angles = torch.outer(places, frequencies).repeat_interleave(2, dim=-1)
    front, rest = heads.split([angles.shape[-1], heads.shape[-1] - angles.shape[-1]], dim=-1)
    even, odd = front.unflatten(-1, (-1, 2)).unbind(-1)
    quarter_turned = torch.stack([-odd, even], dim=-1).flatten(-2)
    turned = front * angles.cos().to(front) + quarter_turned * angles.sin().to(front)
    return torch.cat([turned, rest], dim=-1)


class CosineAttention(nn.Module):
    """Many queries, one key and value head (arXiv:1911.02150), 16 x cosine as logit.

    A learned null key and value stands before the others and takes no position.

    Source: DALLE2-pytorch's prior (lucidrains, after arXiv:2204.06125).
    """

    def __init__(
        self, width: int, num_heads: int, head_width: int, *, coarse_epsilon: bool = False
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = GainNorm(width, coarse_epsilon=coarse_epsilon)
        self.null_key_value = nn.Parameter(torch.randn(2, head_width))
        self.to_query = nn.Linear(width, num_heads * head_width, bias=False)
        self.to_key_value = nn.Linear(width, 2 * head_width, bias=False)
        self.from_heads = nn.Linear(num_heads * head_width, width, bias=False)
        self.output_norm = GainNorm(width, coarse_epsilon=coarse_epsilon)

    def forward(
        self,
        tokens: Float[Tensor, "trials tokens width"],
        bias: Float[Tensor, "heads tokens keys"],
    ) -> Float[Tensor, "trials tokens width"]:
        normed = self.norm(tokens)
        query = self.to_query(normed).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        key, value = self.to_key_value(normed).chunk(2, dim=-1)
        query, key = rotate_by_position(query), rotate_by_position(key)
        null_key, null_value = self.null_key_value.to(key).expand(len(key), -1, -1).chunk(2, dim=1)
        key, value = torch.cat([null_key, key], dim=1), torch.cat([null_value, value], dim=1)
        attended = functional.scaled_dot_product_attention(
            functional.normalize(query, dim=-1),
            functional.normalize(key, dim=-1).unsqueeze(1).expand(-1, self.num_heads, -1, -1),
            value.unsqueeze(1).expand(-1, self.num_heads, -1, -1),
            attn_mask=bias.to(query.dtype),
            scale=COSINE_SCALE,
        )
        return self.output_norm(self.from_heads(attended.transpose(1, 2).flatten(2)))
