"""The transformer inside the published priors."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mindeye.models.attention import CosineAttention, GainNorm, RelativePositionBias


class GatedMlp(nn.Module):
    """Norm, SwiGLU (arXiv:2002.05202), and in one variant a norm of what the gate lets through."""

    def __init__(
        self, width: int, mlp_ratio: int, *, norm_inside: bool, coarse_epsilon: bool = False
    ) -> None:
        super().__init__()
        inside = mlp_ratio * width
        self.norm = GainNorm(width, coarse_epsilon=coarse_epsilon)
        self.to_mlp = nn.Linear(width, 2 * inside, bias=False)
        self.inside_norm = GainNorm(inside, coarse_epsilon=coarse_epsilon) if norm_inside else None
        self.from_mlp = nn.Linear(inside, width, bias=False)

    def forward(
        self, tokens: Float[Tensor, "trials tokens width"]
    ) -> Float[Tensor, "trials tokens width"]:
        content, gate = self.to_mlp(self.norm(tokens)).chunk(2, dim=-1)
        hidden = content * functional.silu(gate)
        return self.from_mlp(self.inside_norm(hidden) if self.inside_norm else hidden)


class PriorBlock(nn.Module):
    """Attention, then a gated MLP; both residual."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        head_width: int,
        mlp_ratio: int,
        *,
        norm_inside: bool,
        coarse_epsilon: bool = False,
    ) -> None:
        super().__init__()
        self.attention = CosineAttention(
            width, num_heads, head_width, coarse_epsilon=coarse_epsilon
        )
        self.mlp = GatedMlp(
            width, mlp_ratio, norm_inside=norm_inside, coarse_epsilon=coarse_epsilon
        )

    def forward(
        self,
        tokens: Float[Tensor, "trials tokens width"],
        bias: Float[Tensor, "heads tokens keys"],
    ) -> Float[Tensor, "trials tokens width"]:
        tokens = self.attention(tokens, bias) + tokens
        return self.mlp(tokens) + tokens


class PriorTransformer(nn.Module):
    """Blocks that share one position bias, a final norm and a projection.

    The 1 x 768 prior is causal and has norms inside of its MLPs (NormFormer, arXiv:2110.09456);
    the prior of all tokens has neither.

    Source: DALLE2-pytorch's prior (lucidrains, after arXiv:2204.06125).
    """

    def __init__(
        self,
        width: int,
        *,
        depth: int,
        num_heads: int,
        head_width: int,
        mlp_ratio: int,
        causal: bool,
        norm_inside: bool,
        coarse_epsilon: bool = False,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.position_bias = RelativePositionBias(num_heads)
        self.blocks = nn.ModuleList(
            PriorBlock(
                width,
                num_heads,
                head_width,
                mlp_ratio,
                norm_inside=norm_inside,
                coarse_epsilon=coarse_epsilon,
            )
            for _ in range(depth)
        )
        self.norm = GainNorm(width, coarse_epsilon=coarse_epsilon)
        self.to_output = nn.Linear(width, width, bias=False)

    def forward(
        self, tokens: Float[Tensor, "trials tokens width"]
    ) -> Float[Tensor, "trials tokens width"]:
        num_tokens = tokens.shape[1]
        bias = self.position_bias(num_tokens)
        if self.causal:
            # The null key stands first: query i sees keys 0 to i + 1.
            ahead = torch.ones(bias.shape[1:], dtype=torch.bool, device=bias.device).triu(2)
            bias = bias.masked_fill(ahead, float("-inf"))
        for block in self.blocks:
            tokens = block(tokens, bias)
        # Published as the stable form; with epsilon it is not quite the plain norm.
        stable = tokens / tokens.amax(dim=-1, keepdim=True).detach()
        return self.to_output(self.norm(stable))
