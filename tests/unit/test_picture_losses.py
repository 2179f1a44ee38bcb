"""Pixels and edges of decoded pictures, beside SciPy's filters."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mindeye.losses import edge_distance, edge_strength, pixel_distance, without_specks


def pictures(seed: int, side: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, side, side + 2, generator=generator).double()


def edges_by_scipy(images: torch.Tensor) -> np.ndarray:
    """The length of the gradient, one channel at a time; SciPy's kernel adds up to 8."""
    found = np.empty(images.shape)
    for place in np.ndindex(*images.shape[:2]):
        channel = images[place].numpy()
        across, down = (ndimage.sobel(channel, axis=axis, mode="nearest") / 8 for axis in (1, 0))
        found[place] = np.sqrt(across**2 + down**2 + 1e-6)
    return found


def test_edges_are_scipys():
    np.testing.assert_allclose(
        edge_strength(pictures(0)).numpy(), edges_by_scipy(pictures(0)), atol=1e-12
    )


def test_specks_are_taken_out_by_scipys_median():
    expected = ndimage.median_filter(pictures(0).numpy(), size=(1, 1, 3, 3), mode="nearest")
    np.testing.assert_array_equal(without_specks(pictures(0)).numpy(), expected)


def test_distances_are_their_definitions_pixel_by_pixel():
    decoded, shown = pictures(0), pictures(1)
    smooth = ndimage.median_filter(shown.numpy(), size=(1, 1, 3, 3), mode="nearest")
    edges = np.abs(edges_by_scipy(decoded) - edges_by_scipy(torch.from_numpy(smooth))).mean()
    assert edge_distance(decoded, shown).item() == pytest.approx(edges, abs=1e-12)
    pixels = np.abs(decoded.numpy() - shown.numpy()).mean()
    assert pixel_distance(decoded, shown).item() == pytest.approx(pixels, abs=1e-12)


def test_a_plain_picture_has_no_edges_and_a_usable_gradient():
    plain = torch.full((1, 3, 5, 5), 0.3, requires_grad=True)
    edge_strength(plain).sum().backward()
    assert edge_strength(plain).max().item() == pytest.approx(1e-3)
    assert torch.isfinite(plain.grad).all()


def test_a_step_has_its_height_in_full_over_two_columns():
    step = torch.zeros(1, 1, 5, 6)
    step[..., 3:] = 1.0
    found = edge_strength(step)[0, 0]
    torch.testing.assert_close(found[:, 2:4], torch.full((5, 2), 0.5), atol=1e-5, rtol=0)
    assert found[:, [0, 1, 4, 5]].max().item() == pytest.approx(1e-3)


def test_gradients_of_edges_are_those_of_finite_differences():
    decoded, shown = pictures(2, side=4).requires_grad_(), pictures(3, side=4)
    assert torch.autograd.gradcheck(lambda images: edge_distance(images, shown), decoded)
