from itertools import islice

import pytest
import torch

from mindeye.reconstruction.candidate_noise import candidate_generators, candidate_seed, noises


def test_seeds_of_candidates_differ():
    seeds = {
        candidate_seed(seed, image, candidate)
        for seed in range(3)
        for image in range(100)
        for candidate in range(8)
    }
    assert len(seeds) == 2400
    assert min(seeds) >= 0


@pytest.mark.parametrize("images", [[7, 9], [9], [9, 20, 7]])
def test_noise_is_that_of_the_candidate_in_any_batch(images):
    drawn = torch.stack(list(islice(noises(candidate_generators(3, images, 2), (4, 5)), 3)))
    assert drawn.shape == (3, 2 * len(images), 4, 5)
    row = 2 * images.index(9) + 1
    own = torch.Generator().manual_seed(candidate_seed(3, 9, 1))
    expected = torch.stack([torch.randn(4, 5, generator=own) for _ in range(3)])
    torch.testing.assert_close(drawn[:, row], expected, rtol=0, atol=0)


def test_a_noise_is_not_drawn_before_it_is_asked_for():
    generators = candidate_generators(3, [7], 1)
    next(noises(generators, (4, 5)))
    own = torch.Generator().manual_seed(candidate_seed(3, 7, 0))
    torch.randn(4, 5, generator=own)
    assert (
        torch.randn(2, generator=generators[0]).tolist() == torch.randn(2, generator=own).tolist()
    )
