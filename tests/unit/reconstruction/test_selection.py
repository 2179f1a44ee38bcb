import torch
from torch.nn import functional

from mindeye.reconstruction.selection import best_candidates, second_order_scores


def arrays() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    candidates = torch.randn(3, 4, 6, generator=generator)
    return candidates, torch.randn(3, 6, generator=generator)


def test_scores_are_cosines_with_the_own_scan():
    candidates, brain = arrays()
    scores = second_order_scores(candidates, brain)
    assert scores.shape == (3, 4)
    for image in range(3):
        for candidate in range(4):
            expected = functional.cosine_similarity(candidates[image, candidate], brain[image], 0)
            torch.testing.assert_close(scores[image, candidate], expected)


def test_scores_do_not_depend_on_lengths():
    candidates, brain = arrays()
    torch.testing.assert_close(
        second_order_scores(5 * candidates, brain / 3), second_order_scores(candidates, brain)
    )


def test_the_scan_itself_would_win():
    candidates, brain = arrays()
    candidates[:, 2] = brain
    assert best_candidates(second_order_scores(candidates, brain)).tolist() == [2, 2, 2]


def test_of_equals_the_first_is_taken():
    assert best_candidates(torch.tensor([[0.1, 0.7, 0.7], [0.2, 0.2, 0.2]])).tolist() == [1, 0]
