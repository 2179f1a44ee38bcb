"""The contrastive head: brain tokens -> the tokens whose embedding finds images."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class ContrastiveHead(nn.Module):
    """The same small MLP on every token (MindEye1, arXiv:2305.18274, A.3)."""

    def __init__(self, token_width: int, hidden_width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(token_width),
            nn.GELU(),
            nn.Linear(token_width, hidden_width),
            nn.LayerNorm(hidden_width),
            nn.GELU(),
            nn.Linear(hidden_width, hidden_width),
            nn.LayerNorm(hidden_width),
            nn.GELU(),
            nn.Linear(hidden_width, token_width),
        )

    def forward(
        self, brain_tokens: Float[Tensor, "trials tokens width"]
    ) -> Float[Tensor, "trials tokens width"]:
        return self.layers(brain_tokens)


def embedding_of(
    tokens: Float[Tensor, "images tokens width"],
) -> Float[Tensor, "images features"]:
    """All tokens of an image as one unit vector."""
    return functional.normalize(tokens.flatten(1).float(), dim=-1)
