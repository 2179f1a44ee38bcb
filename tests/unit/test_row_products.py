"""Dot products of rows, by whichever library is the fastest."""

import pytest
import torch

from mindeye.row_products import ready_rows, room_like, rough_row_products, row_products


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


@pytest.mark.parametrize("registers", ["AVX512", "AVX2", "DEFAULT"])
@pytest.mark.parametrize("features", [50, 3000])
def test_rough_products_are_right_to_the_millionth_of_both_lengths(
    monkeypatch, registers, features
):
    """Whatever the registers: where they are said to be wide, oneDNN chooses for itself."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: registers)
    first, second = (torch.rand(count, features) for count in (4, 6))
    expected = first.double() @ second.double().T
    lengths = first.double().norm(dim=1).unsqueeze(1) * second.double().norm(dim=1)
    ready = ready_rows(second)
    if torch.backends.mkldnn.is_available():
        assert ready.is_mkldnn == (registers == "AVX512")
    products = rough_row_products(first, ready)
    assert products.dtype == torch.float32
    assert ((products - expected) / lengths).abs().max() < 2e-6


def test_double_precision_and_gradients_and_a_rounding_onednn_are_left_to_plain_products(
    monkeypatch,
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    second = rows(6, 2)
    for other in (second.double(), second.clone().requires_grad_()):
        assert ready_rows(other) is other
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    assert ready_rows(second) is second


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("other", [torch.float32, torch.float64])
def test_rows_of_another_type_are_multiplied_in_the_wider_one(monkeypatch, threads, other):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    mixed = {torch.float32: torch.float64, torch.float64: torch.float32}[other]
    first, second = rows(4, 1).to(mixed), rows(6, 2).to(other)
    expected = first.double() @ second.double().T
    for products in (row_products(first, second), rough_row_products(first, ready_rows(second))):
        assert products.dtype == torch.float64
        torch.testing.assert_close(products, expected, atol=1e-12, rtol=0)
