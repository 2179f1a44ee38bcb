"""The token head: hidden state -> brain tokens, by one dense layer or by a compact one."""

from dataclasses import dataclass
from math import ceil

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class LowRankHeadConfig:
    rank: int = 512
    """How many numbers of a trial all its tokens are made from."""


@dataclass(frozen=True, kw_only=True)
class TokenCodeHeadConfig:
    code_width: int = 128
    """How many numbers a token has of its own before a map that all tokens share widens them."""


@dataclass(frozen=True, kw_only=True)
class WindowHeadConfig:
    window: int = 680
    """How many numbers of the hidden state a token reads: neighbours, the next token others."""


TokenHeadConfig = LowRankHeadConfig | TokenCodeHeadConfig | WindowHeadConfig


class TokenHead(nn.Module):
    """Hidden state -> one vector for each image token, by one layer (MindEye1, A.3)."""

    def __init__(self, width: int, num_tokens: int, token_width: int) -> None:
        super().__init__()
        self.token_shape = (num_tokens, token_width)
        self.linear = nn.Linear(width, num_tokens * token_width)

    def forward(
        self, hidden: Float[Tensor, "trials latent"]
    ) -> Float[Tensor, "trials tokens width"]:
        return self.linear(hidden).unflatten(1, self.token_shape)


class LowRankHead(nn.Module):
    """The same layer with weights of a low rank: hidden state -> code -> all tokens.

    Nothing bends between the two maps: their product is a weight that the one layer could hold.
    """

    def __init__(self, width: int, num_tokens: int, token_width: int, rank: int) -> None:
        super().__init__()
        self.token_shape = (num_tokens, token_width)
        self.to_code = nn.Linear(width, rank, bias=False)
        self.to_tokens = nn.Linear(rank, num_tokens * token_width)
        # Orthonormal rows keep a number's variance: tokens start as wide as those of one layer.
        nn.init.orthogonal_(self.to_code.weight)

    def forward(
        self, hidden: Float[Tensor, "trials latent"]
    ) -> Float[Tensor, "trials tokens width"]:
        return self.to_tokens(self.to_code(hidden)).unflatten(1, self.token_shape)

    @classmethod
    def of(
        cls,
        dense: TokenHead,
        mean: Float[Tensor, "latent"],
        covariance: Float[Tensor, "latent latent"],
        rank: int,
    ) -> "LowRankHead":
        """The head of this rank whose tokens differ least from those of a dense one.

        Least in squares, on average over hidden states of this mean and covariance: reduced-rank
        regression on what the dense head says (Izenman 1975, J. Multivariate Analysis 5), which
        weighs a direction by how much hidden states differ along it. Computed in float64.
        """
        # Token by token: in float64 the whole weight would take 6.5 GB at full size.
        weights = dense.linear.weight.detach().split(dense.token_shape[1])
        gram = sum(one.double().T @ one.double() for one in weights)
        variances, directions = torch.linalg.eigh(covariance.double())
        scale = variances.clamp(min=0).sqrt()
        # Along a direction in which nothing varies the mean says all.
        inverse = torch.where(variances > 1e-9 * variances[-1], 1 / scale, 0)
        root = directions * scale
        _, axes = torch.linalg.eigh(root.T @ gram @ root)
        axes = axes.flip(1)[:, :rank]
        to_code, from_code = axes.T @ (directions * inverse).T, root @ axes
        kept = from_code @ (to_code @ mean.double())
        lost = torch.cat([one.double() @ (mean.double() - kept) for one in weights])
        head = cls(dense.linear.in_features, *dense.token_shape, rank)
        head.load_state_dict(
            {
                "to_code.weight": to_code,
                "to_tokens.weight": torch.cat(
                    [(one.double() @ from_code).float() for one in weights]
                ),
                "to_tokens.bias": dense.linear.bias.detach() + lost,
            }
        )
        return head


class TokenCodeHead(nn.Module):
    """Hidden state -> a short code of each token -> tokens, by a map that all tokens share.

    As in the one layer every token has a bias of its own; without it, all tokens would be alike
    on average, which CLIP's are not.
    """

    def __init__(self, width: int, num_tokens: int, token_width: int, code_width: int) -> None:
        super().__init__()
        self.token_shape = (num_tokens, token_width)
        self.to_codes = nn.Linear(width, num_tokens * code_width, bias=False)
        self.to_token = nn.Linear(code_width, token_width, bias=False)
        self.bias = nn.Parameter(torch.empty(num_tokens, token_width))
        # Of variance 1 / width, so that codes keep a number's variance; the bias as torch has it.
        nn.init.uniform_(self.to_codes.weight, -((3 / width) ** 0.5), (3 / width) ** 0.5)
        nn.init.uniform_(self.bias, -(width**-0.5), width**-0.5)

    def forward(
        self, hidden: Float[Tensor, "trials latent"]
    ) -> Float[Tensor, "trials tokens width"]:
        codes = self.to_codes(hidden).unflatten(1, (self.token_shape[0], -1))
        return self.to_token(codes) + self.bias


class WindowHead(nn.Module):
    """Each token reads a window of the hidden state, by weights of its own.

    Windows start at even distances and go on at the beginning where the hidden state ends. What
    many tokens need, the backbone has to say in several places; in return nothing is squeezed
    through fewer numbers than the hidden state has.
    """

    def __init__(self, width: int, num_tokens: int, token_width: int, window: int) -> None:
        super().__init__()
        self.token_shape = (num_tokens, token_width)
        self.weight = nn.Parameter(torch.empty(num_tokens, window, token_width))
        self.bias = nn.Parameter(torch.empty(num_tokens, token_width))
        # As torch starts a layer that reads so many numbers, and the bias of the dense layer.
        nn.init.uniform_(self.weight, -(window**-0.5), window**-0.5)
        nn.init.uniform_(self.bias, -(width**-0.5), width**-0.5)

    def forward(
        self, hidden: Float[Tensor, "trials latent"]
    ) -> Float[Tensor, "trials tokens width"]:
        windows = hidden[:, self._places(hidden.shape[1], hidden.device)]
        return torch.einsum("ntr,trw->ntw", windows, self.weight) + self.bias

    def _places(self, width: int, device: torch.device) -> Int[Tensor, "tokens window"]:
        num_tokens, window, _ = self.weight.shape
        starts = torch.arange(num_tokens, device=device) * width // num_tokens
        return (starts.unsqueeze(1) + torch.arange(window, device=device)) % width


def new_token_head(
    config: TokenHeadConfig | None,
    width: int,
    num_tokens: int,
    token_width: int,
) -> TokenHead | LowRankHead | TokenCodeHead | WindowHead:
    """The head that a decoder's configuration asks for; one dense layer for None.

    Raises:
        ValueError: a compact head that is none: it would hold as many weights as the dense layer.
    """
    shape = (width, num_tokens, token_width)
    if config is None:
        return TokenHead(*shape)
    compact, dense = num_weights(config, *shape), num_weights(None, *shape)
    if compact >= dense:
        ((key, value),) = vars(config).items()
        raise ValueError(
            f"With `decoder.token_head.{key}` {value} the token head would hold {compact:,} "
            f"weights, but one dense layer {dense:,}. Choose less than "
            f"{ceil(value * dense / compact)}, or `token_head: null` for the dense layer."
        )
    if isinstance(config, LowRankHeadConfig):
        return LowRankHead(*shape, config.rank)
    if isinstance(config, TokenCodeHeadConfig):
        return TokenCodeHead(*shape, config.code_width)
    return WindowHead(*shape, config.window)


def num_weights(
    config: TokenHeadConfig | None,
    width: int,
    num_tokens: int,
    token_width: int,
) -> int:
    """How many weights a head of these shapes has; its biases, one a number, come on top."""
    if isinstance(config, LowRankHeadConfig):
        return config.rank * (width + num_tokens * token_width)
    if isinstance(config, TokenCodeHeadConfig):
        return config.code_width * (width * num_tokens + token_width)
    read = config.window if config else width
    return read * num_tokens * token_width
