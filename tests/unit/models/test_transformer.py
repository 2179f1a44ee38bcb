import torch

from mindeye.models.transformer import Block, Transformer


def tokens() -> torch.Tensor:
    return torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))


def test_without_places_the_order_of_tokens_only_orders_the_outputs():
    transformer = Transformer(width=12, depth=2, head_width=4)
    order = torch.tensor([4, 2, 0, 1, 3])
    torch.testing.assert_close(transformer(tokens()[:, order]), transformer(tokens())[:, order])


def test_every_token_sees_every_token():
    block = Block(width=12, head_width=4)
    inputs = tokens().requires_grad_()
    block(inputs)[:, 0].sum().backward()
    assert (inputs.grad.abs().sum(-1) > 0).all()


def test_images_do_not_see_each_other():
    transformer = Transformer(width=12, depth=1, head_width=4)
    alone = torch.cat([transformer(one) for one in tokens().split(1)])
    torch.testing.assert_close(transformer(tokens()), alone)


def test_attention_is_that_of_the_definition():
    block = Block(width=12, head_width=4)
    torch.nn.init.zeros_(block.from_mlp.weight)
    torch.nn.init.eye_(block.from_attention.weight)
    normed = block.attention_norm(tokens())
    query, key, value = (normed @ one.T for one in block.to_query_key_value.weight.chunk(3))
    expected = []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        weights = (query[..., part] @ key[..., part].transpose(1, 2) / 2).softmax(-1)
        expected.append(weights @ value[..., part])
    torch.testing.assert_close(block(tokens()) - tokens(), torch.cat(expected, -1))
