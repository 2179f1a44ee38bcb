"""Dot products of many rows, and memory for them, as fast as the libraries at hand give them."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear


def row_products(
    first: Float[Tensor, "rows features"], second: Float[Tensor, "others features"]
) -> Float[Tensor, "rows others"]:
    """Every row with every other one: `first @ second.T`, in the wider of both types."""
    dtype = torch.promote_types(first.dtype, second.dtype)
    first, second = first.to(dtype), second.to(dtype)
    needs_torch = first.device.type != "cpu" or first.requires_grad or second.requires_grad
    # Several cores are left to torch: threads of two libraries would wait for each other.
    if needs_torch or torch.get_num_threads() > 1:
        return first @ second.T
    # NumPy's OpenBLAS is a fifth faster than torch's MKL where the processor is not Intel's.
    with np.errstate(all="ignore"):  # whoever calls refuses NaN by name
        return torch.from_numpy(first.numpy() @ second.numpy().T)


def ready_rows(values: Float[Tensor, "rows features"]) -> Tensor:
    """Rows that many others will be multiplied with, as `rough_row_products` wants them."""
    plain = values.device.type == "cpu" and values.dtype == torch.float32
    wide = (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        # With another precision oneDNN rounds to bfloat16.
        and torch.get_float32_matmul_precision() == "highest"
    )
    return values.to_mkldnn() if plain and wide and not values.requires_grad else values


def rough_row_products(
    first: Float[Tensor, "rows features"], ready: Tensor
) -> Float[Tensor, "rows others"]:
    """`row_products` for whoever looks at close ones again: to 1e-6 of the product of lengths.

    Where registers are wide oneDNN uses all of them, whoever made the processor: 982 x 2,048
    values took it 19 ms, NumPy 33 and torch's MKL 37 (AMD EPYC with AVX-512, one core); but it
    adds up whole rows in one go, where the others are exact to 4e-7.

    Args:
        ready: what `ready_rows` gave for the other rows.
    """
    if not ready.is_mkldnn:
        return row_products(first, ready)
    if first.dtype != torch.float32:  # oneDNN has no double precision
        return row_products(first, ready.to_dense())
    return linear(first.to_mkldnn(), ready).to_dense()


def room_like(values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
    """Memory of the same shape, not filled.

    On the CPU in large pages, which NumPy asks the system for and torch does not: to fill
    982 x 32,768 values took 11 ms there and 47 ms in torch's own memory.
    """
    if values.device.type != "cpu":
        return torch.empty_like(values, memory_format=torch.contiguous_format)
    return torch.from_numpy(np.empty(values.shape, dtype=values.numpy().dtype))
