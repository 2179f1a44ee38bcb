import itertools
import math

import pytest
import torch

from mindeye.models.attention import (
    CosineAttention,
    GainNorm,
    RelativePositionBias,
    rotary_frequencies,
    rotate_by_position,
)


def tokens(width: int = 12) -> torch.Tensor:
    return torch.randn(2, 5, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("coarse", "dtype", "epsilon"),
    [
        (False, torch.float32, 1e-5),
        (False, torch.float16, 1e-5),
        (False, torch.bfloat16, 1e-5),
        (True, torch.float32, 1e-5),
        (True, torch.float16, 1e-3),
        (True, torch.bfloat16, 1e-3),
    ],
)
def test_gain_norm_has_a_larger_epsilon_only_in_half_precision_and_only_as_published(
    coarse, dtype, epsilon
):
    norm = GainNorm(12, coarse_epsilon=coarse).requires_grad_(False).to(dtype)
    norm.gain.copy_(torch.linspace(0.5, 2, 12))
    # So small that epsilon decides: a variance of about 1e-4.
    small = (tokens() / 100).to(dtype)
    expected = torch.empty(small.shape, dtype=torch.float64)
    for place in itertools.product(range(2), range(5)):
        values = small[place].tolist()
        mean = sum(values) / 12
        variance = sum((one - mean) ** 2 for one in values) / 12
        for feature, one in enumerate(values):
            normed = (one - mean) / math.sqrt(variance + epsilon)
            expected[(*place, feature)] = normed * norm.gain[feature].item()
    assert norm(small).dtype == dtype
    torch.testing.assert_close(norm(small), expected.to(dtype))


def test_rotation_keeps_lengths_and_makes_products_depend_on_the_distance_alone():
    query, key = torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    queries, keys = (rotate_by_position(one.expand(9, 40)) for one in (query, key))
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(9))
    products = queries @ keys.T
    torch.testing.assert_close(products[3, 1], products[8, 6])
    assert not torch.allclose(products[3, 1], products[3, 2])


def test_only_the_first_32_features_turn():
    ones = torch.ones(4, 40)
    turned = rotate_by_position(ones)
    torch.testing.assert_close(turned[:, 32:], ones[:, 32:], rtol=0, atol=0)
    torch.testing.assert_close(turned[0], ones[0])
    assert (turned[1:, :32] != 1).all()
    assert rotary_frequencies(64).shape == (16,)
    assert rotary_frequencies(12).shape == (6,)


def test_all_that_lies_ahead_shares_a_bias_and_far_distances_do_too():
    position_bias = RelativePositionBias(num_heads=2).requires_grad_(False)
    bias = position_bias(200)
    assert bias.shape == (2, 200, 201)
    table = position_bias.table.weight
    torch.testing.assert_close(bias[:, 10, 11:], table[0].view(2, 1).expand(2, 190))
    torch.testing.assert_close(bias[:, 10, :11], table[:11].flip(0).T)
    torch.testing.assert_close(bias[:, 190, :60], table[31].view(2, 1).expand(2, 60))


def test_the_length_of_queries_and_keys_says_nothing():
    attention = CosineAttention(12, num_heads=3, head_width=4).requires_grad_(False)
    bias = torch.zeros(3, 5, 6)
    before = attention(tokens(), bias)
    attention.to_query.weight.mul_(7)
    torch.testing.assert_close(attention(tokens(), bias), before)


def test_bias_null_key_and_all_weights_get_gradients():
    attention = CosineAttention(12, num_heads=3, head_width=4)
    bias = torch.zeros(3, 5, 6, requires_grad=True)
    weights = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(1))
    (attention(tokens(), bias) * weights).sum().backward()
    for one in (bias, *attention.parameters()):
        assert one.grad.abs().max() > 0


def test_a_bias_of_minus_infinity_hides_a_key():
    attention = CosineAttention(12, num_heads=3, head_width=4).requires_grad_(False)
    bias = torch.zeros(3, 5, 6)
    bias[:, 0, 3:] = float("-inf")
    changed = tokens()
    changed[:, 3:] *= -1
    ours, theirs = attention(tokens(), bias), attention(changed, bias)
    torch.testing.assert_close(ours[:, 0], theirs[:, 0])
    assert not torch.allclose(ours[:, 1], theirs[:, 1])
