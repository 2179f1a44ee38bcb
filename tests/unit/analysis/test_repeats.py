"""Curves over repeats against loops over every choice."""

from itertools import combinations

import numpy as np
import pytest
import torch

from mindeye.analysis.repeats import repeat_curves

IMAGES, REPEATS, WIDTH = 12, 3, 5


@pytest.fixture
def noisy():
    """Scans are images with noise; the second showing is the noisiest, one image lacks a repeat."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(IMAGES, WIDTH, generator=generator)
    noise = torch.randn(IMAGES, REPEATS, WIDTH, generator=generator)
    scale = torch.tensor([0.5, 4.0, 0.5]).view(1, 3, 1)
    present = torch.ones(IMAGES, REPEATS, dtype=torch.bool)
    present[4, 2] = False
    return images.unsqueeze(1) + scale * noise, present, images


def slow_top1(scans, images):
    scans = scans / np.linalg.norm(scans, axis=1, keepdims=True)
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    likeness = scans @ images.T
    return np.array([likeness[row].argmax() == row for row in range(len(images))], dtype=float)


def test_a_count_is_the_mean_over_all_choices_of_so_many_showings(identity, batch_of, noisy):
    betas, present, images = noisy
    curves = repeat_curves(identity, batch_of(betas, present), images, IMAGES)
    keep = np.arange(IMAGES) != 4
    array, seen = betas.numpy()[keep], images.numpy()[keep]
    assert curves.num_images == curves.pool_size == IMAGES - 1
    for count, values in curves.by_count.items():
        ways = list(combinations(range(REPEATS), count))
        slow = np.mean([slow_top1(array[:, list(way)].mean(1), seen) for way in ways], axis=0)
        np.testing.assert_allclose(values, slow)
    for showing, values in curves.by_showing.items():
        np.testing.assert_allclose(values, slow_top1(array[:, showing - 1], seen))
    assert list(curves.by_count) == list(curves.by_showing) == [1, 2, 3]
    assert curves.by_showing[2].mean() < curves.by_showing[1].mean()


def test_too_few_images_with_all_repeats_are_refused(identity, batch_of, noisy):
    betas, present, images = noisy
    present[1:, 2] = False
    with pytest.raises(ValueError, match="1 of 12 test images have all 3 repeats"):
        repeat_curves(identity, batch_of(betas, present), images, 10)
