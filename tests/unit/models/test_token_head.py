"""Heads of fewer weights are layers that the dense one could be, and start as it does."""

import numpy as np
import pytest
import torch

from mindeye.config import from_mapping
from mindeye.models.architecture import DecoderConfig
from mindeye.models.token_head import (
    LowRankHead,
    LowRankHeadConfig,
    TokenCodeHeadConfig,
    TokenHead,
    WindowHeadConfig,
    new_token_head,
    num_weights,
)

SHAPE = (12, 5, 8)
COMPACT = [LowRankHeadConfig(rank=3), TokenCodeHeadConfig(code_width=2), WindowHeadConfig(window=7)]


def hidden(trials: int = 4, width: int = 12) -> torch.Tensor:
    return torch.randn(trials, width, generator=torch.Generator().manual_seed(0))


def test_a_token_is_a_slice_of_one_linear_layer():
    head = new_token_head(None, *SHAPE)
    tokens = head(hidden())
    assert tokens.shape == (4, 5, 8)
    flat = hidden() @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(tokens[:, 2], flat[:, 16:24])


def dense_twin(head: torch.nn.Module) -> TokenHead:
    """The dense layer with the weights that a compact head stands for."""
    twin = TokenHead(*SHAPE)
    if hasattr(head, "to_code"):
        weight, bias = head.to_tokens.weight @ head.to_code.weight, head.to_tokens.bias
    elif hasattr(head, "weight"):
        weight, bias = torch.zeros(5, 8, 12), head.bias.flatten()
        for token, start in enumerate((0, 2, 4, 7, 9)):
            for place in range(7):
                weight[token, :, (start + place) % 12] = head.weight[token, place]
        weight = weight.flatten(0, 1)
    else:
        codes = head.to_codes.weight.unflatten(0, (5, -1))
        weight = torch.einsum("wc,tch->twh", head.to_token.weight, codes).flatten(0, 1)
        bias = head.bias.flatten()
    twin.load_state_dict({"linear.weight": weight, "linear.bias": bias})
    return twin


@pytest.mark.parametrize("config", COMPACT)
def test_a_compact_head_is_a_dense_one_with_fewer_free_weights(config):
    head = new_token_head(config, *SHAPE)
    assert head.token_shape == (5, 8)
    torch.testing.assert_close(head(hidden()), dense_twin(head)(hidden()))


@pytest.mark.parametrize(
    "config",
    [LowRankHeadConfig(rank=30), TokenCodeHeadConfig(code_width=16), WindowHeadConfig(window=40)],
)
def test_a_compact_head_starts_with_tokens_as_wide_as_the_dense_ones(config):
    torch.manual_seed(1)
    states = hidden(2000, 256)
    dense, compact = (new_token_head(one, 256, 20, 48)(states).var() for one in (None, config))
    assert compact.item() == pytest.approx(dense.item(), rel=0.1)


def test_windows_start_at_even_distances_and_go_round():
    head = new_token_head(WindowHeadConfig(window=7), *SHAPE)
    state = torch.zeros(1, 12, requires_grad=True)
    reads = []
    for token in range(5):
        (gradient,) = torch.autograd.grad(head(state)[:, token].sum(), state)
        reads.append(gradient[0].nonzero().flatten().tolist())
    assert reads[0] == [0, 1, 2, 3, 4, 5, 6]
    assert reads[1] == [2, 3, 4, 5, 6, 7, 8]
    assert reads[4] == [0, 1, 2, 3, 9, 10, 11]


@pytest.mark.parametrize("config", [None, *COMPACT])
def test_weights_are_counted_without_making_them(config):
    with torch.device("meta"):
        head = new_token_head(config, *SHAPE)
    counted = sum(one.numel() for one in head.parameters())
    assert counted == num_weights(config, *SHAPE) + 5 * 8  # and one bias a number


@pytest.mark.parametrize(
    ("config", "tokens", "parameters"),
    [
        (None, (257, 768), 808_649_472),
        (LowRankHeadConfig(), (257, 768), 103_351_040),
        (TokenCodeHeadConfig(), (257, 768), 135_037_696),
        (WindowHeadConfig(), (257, 768), 134_413_056),
        (None, (256, 1664), 1_745_256_448),
        (LowRankHeadConfig(), (256, 1664), 220_626_944),
        (TokenCodeHeadConfig(), (256, 1664), 134_856_704),
        (WindowHeadConfig(), (256, 1664), 290_095_104),
    ],
)
def test_the_defaults_are_small_at_full_size(config, tokens, parameters):
    with torch.device("meta"):
        head = new_token_head(config, 4096, *tokens)
    assert sum(one.numel() for one in head.parameters()) == parameters


@pytest.mark.parametrize(
    ("kind", "key", "limit"),
    # Below 12 * 40 / (12 + 40) = 9.2, below 12 * 40 / (12 * 5 + 8) = 7.06, and below the width.
    [
        (LowRankHeadConfig, "rank", 10),
        (TokenCodeHeadConfig, "code_width", 8),
        (WindowHeadConfig, "window", 12),
    ],
)
def test_a_compact_head_of_more_weights_than_the_dense_one_is_refused(kind, key, limit):
    with pytest.raises(ValueError, match=rf"token_head\.{key}` 13 .* than {limit}, or `token_head"):
        new_token_head(kind(**{key: 13}), *SHAPE)
    with pytest.raises(ValueError, match="one dense layer 480"):
        new_token_head(kind(**{key: limit}), *SHAPE)
    new_token_head(kind(**{key: limit - 1}), *SHAPE)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rank": 256}, LowRankHeadConfig(rank=256)),
        ({"code_width": 64}, TokenCodeHeadConfig(code_width=64)),
        ({"window": 640}, WindowHeadConfig(window=640)),
        (None, None),
    ],
)
def test_the_kind_is_told_by_its_key(values, expected):
    assert from_mapping(DecoderConfig, {"token_head": values}, "x").token_head == expected


def test_two_kinds_at_once_and_misspelt_keys_are_refused():
    with pytest.raises(ValueError, match=r"`token_head` has rank, code_width, .* of one kind\.$"):
        from_mapping(DecoderConfig, {"token_head": {"rank": 2, "code_width": 3}}, "x")
    with pytest.raises(LookupError, match=r"Unknown config key `token_head\.ranks` in x"):
        from_mapping(DecoderConfig, {"token_head": {"ranks": 2}}, "x")


def hidden_in(dimensions: int, trials: int = 300) -> torch.Tensor:
    """Hidden states off the origin that vary along so many directions, along some more."""
    generator = torch.Generator().manual_seed(2)
    axes = torch.randn(dimensions, 12, generator=generator)
    strengths = torch.logspace(0, -2, dimensions)
    return torch.randn(trials, dimensions, generator=generator) * strengths @ axes + 0.7


def low_rank_of(dense: TokenHead, states: torch.Tensor, rank: int) -> LowRankHead:
    return LowRankHead.of(dense, states.mean(0), torch.cov(states.T), rank)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_no_head_of_its_rank_is_nearer_to_a_dense_one_than_the_one_taken_from_it(rank):
    dense, states = TokenHead(*SHAPE), hidden_in(12)
    with torch.no_grad():
        wanted, found = dense(states).flatten(1), low_rank_of(dense, states, rank)(states)
    error = (found.flatten(1) - wanted).square().sum().item()
    # What any affine map of this rank leaves at least (Eckart and Young).
    centred = wanted.double().numpy() - wanted.double().numpy().mean(0)
    least = (np.linalg.svd(centred, compute_uv=False)[rank:] ** 2).sum()
    assert error == pytest.approx(least, rel=1e-3)


def test_where_hidden_states_vary_in_few_directions_a_low_rank_says_all_that_a_dense_head_says():
    dense, states = TokenHead(*SHAPE), hidden_in(4)
    before = dense.linear.weight.clone()
    head = low_rank_of(dense, states, 4)
    torch.testing.assert_close(head(states), dense(states), rtol=1e-3, atol=1e-4)
    assert head.to_tokens.weight.dtype == torch.float32
    assert torch.equal(dense.linear.weight, before)
