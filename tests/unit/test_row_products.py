"""Dot products of rows, by whichever library is the fastest."""

import torch

from mindeye.row_products import room_like, row_products


def rows(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 50, generator=torch.Generator().manual_seed(seed))


def test_one_thread_and_two_give_every_product(monkeypatch):
    first, second = rows(4, 1), rows(6, 2)
    expected = torch.stack([(one * second).sum(1) for one in first])
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        torch.testing.assert_close(row_products(first, second), expected, atol=1e-5, rtol=0)


def test_gradients_flow():
    first, second = rows(4, 1).requires_grad_(), rows(6, 2)
    row_products(first, second).sum().backward()
    torch.testing.assert_close(first.grad, second.sum(0).expand(4, -1))


def test_room_has_shape_and_type_and_order_of_rows():
    like = rows(8, 1).double().T
    room = room_like(like)
    assert (room.shape, room.dtype, room.is_contiguous()) == (like.shape, like.dtype, True)
