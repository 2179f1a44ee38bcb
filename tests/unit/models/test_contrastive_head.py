import torch

from mindeye.models.contrastive_head import ContrastiveHead, embedding_of


def tokens(trials: int = 4) -> torch.Tensor:
    return torch.randn(trials, 5, 8, generator=torch.Generator().manual_seed(0))


def test_embeddings_are_unit_vectors_of_all_tokens():
    embeddings = embedding_of(3 * tokens())
    assert embeddings.shape == (4, 40)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(embeddings, embedding_of(tokens()))


def test_embeddings_are_float32_whatever_the_tokens():
    assert embedding_of(tokens().half()).dtype == torch.float32


def test_the_argument_stays():
    before = tokens()
    embedding_of(before)
    torch.testing.assert_close(before, tokens(), rtol=0, atol=0)


def test_every_token_goes_through_the_same_layers():
    head = ContrastiveHead(token_width=8, hidden_width=6)
    order = torch.tensor([3, 1, 4, 0, 2])
    plain, moved = head(tokens()), head(tokens()[:, order])
    assert plain.shape == tokens().shape
    torch.testing.assert_close(moved, plain[:, order])
