import torch

from mindeye.models.prior_network import GatedMlp, PriorTransformer


def tokens() -> torch.Tensor:
    return torch.randn(2, 6, 12, generator=torch.Generator().manual_seed(0))


def transformer(*, causal: bool = False, norm_inside: bool = False) -> PriorTransformer:
    torch.manual_seed(0)
    return PriorTransformer(
        12,
        depth=2,
        num_heads=3,
        head_width=4,
        mlp_ratio=2,
        causal=causal,
        norm_inside=norm_inside,
    ).requires_grad_(False)


def test_trials_do_not_see_each_other():
    network = transformer()
    alone = torch.cat([network(one) for one in tokens().split(1)])
    torch.testing.assert_close(network(tokens()), alone)


def test_the_causal_form_does_not_look_ahead_and_the_other_one_does():
    changed = tokens()
    changed[:, 4] *= -1
    for causal in (True, False):
        network = transformer(causal=causal)
        before, after = network(tokens())[:, :4], network(changed)[:, :4]
        assert torch.allclose(before, after) == causal


def test_the_order_of_tokens_matters():
    network = transformer()
    order = torch.tensor([1, 0, 2, 3, 4, 5])
    assert not torch.allclose(network(tokens()[:, order]), network(tokens())[:, order])


def test_the_last_norm_takes_the_size_away():
    network = transformer()
    network.blocks = torch.nn.ModuleList()
    torch.testing.assert_close(network(tokens()), network(3 * tokens()))


def test_a_norm_inside_of_the_mlp_takes_the_size_of_its_first_layer_away():
    for norm_inside in (True, False):
        mlp = GatedMlp(12, 2, norm_inside=norm_inside).requires_grad_(False)
        before = mlp(tokens())
        mlp.to_mlp.weight[:24].mul_(5)
        assert torch.allclose(mlp(tokens()), before, atol=1e-2) == norm_inside
