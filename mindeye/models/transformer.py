"""The transformer inside the prior: pre-norm blocks with SwiGLU, every token sees every token."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Self-attention, then a gated MLP; both residual."""

    def __init__(self, width: int, head_width: int, mlp_ratio: int = 4) -> None:
        super().__init__()
        self.head_width = head_width
        self.attention_norm = nn.LayerNorm(width)
        self.to_query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.from_attention = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width)
        self.to_mlp = nn.Linear(width, 2 * mlp_ratio * width, bias=False)
        self.from_mlp = nn.Linear(mlp_ratio * width, width, bias=False)

    def forward(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        heads = self.to_query_key_value(self.attention_norm(tokens))
        query, key, value = heads.unflatten(-1, (3, -1, self.head_width)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.from_attention(attended.transpose(1, 2).flatten(2))
        content, gate = self.to_mlp(self.mlp_norm(tokens)).chunk(2, dim=-1)
        return tokens + self.from_mlp(content * functional.silu(gate))


class Transformer(nn.Module):
    """Blocks and a final norm."""

    def __init__(self, width: int, depth: int, head_width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, head_width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)
