import ast
import inspect
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from mindeye.reconstruction import drawing, pipeline, selection
from mindeye.reconstruction.selection import (
    agreements,
    best_candidates,
    chosen_among,
    second_order_scores,
    spreads,
)
from mindeye.reconstruction.settings import SELECTIONS, ReconstructionConfig


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


def test_agreement_is_the_mean_cosine_with_the_others():
    candidates, _ = arrays()
    found = agreements(candidates)
    for image in range(3):
        for one in range(4):
            others = [candidates[image, other] for other in range(4) if other != one]
            cosines = [functional.cosine_similarity(candidates[image, one], b, 0) for b in others]
            torch.testing.assert_close(found[image, one], torch.stack(cosines).mean())
    with pytest.raises(ValueError, match="A single candidate agrees with no other one"):
        agreements(candidates[:, :1])


def test_spread_is_zero_for_equal_candidates_and_the_mean_distance_of_all_pairs():
    candidates, _ = arrays()
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    distances = [
        1 - functional.cosine_similarity(candidates[:, a], candidates[:, b]) for a, b in pairs
    ]
    torch.testing.assert_close(spreads(candidates), torch.stack(distances).mean(0))
    torch.testing.assert_close(spreads(candidates[:, :1].repeat(1, 3, 1)), torch.zeros(3))


def test_each_selection_takes_what_it_says():
    axes = torch.eye(6)
    brain = axes[2].repeat(3, 1)
    # Three lie on an arc, the second of them in the middle; the scan's own one is far from them.
    arc = [axes[0] + 0.1 * axes[1], axes[0], axes[2], axes[0] - 0.1 * axes[1]]
    candidates = torch.stack(arc).repeat(3, 1, 1)
    scores = second_order_scores(candidates, brain)
    assert chosen_among(candidates, scores, "second-order").tolist() == [2, 2, 2]
    assert chosen_among(candidates, scores, "consensus").tolist() == [1, 1, 1]
    assert chosen_among(candidates, scores, "first").tolist() == [0, 0, 0]
    for name in SELECTIONS:
        alone = chosen_among(candidates[:, 2:3], scores[:, 2:3], name)
        assert alone.tolist() == [0, 0, 0]


def test_a_consensus_of_two_is_refused_for_it_would_be_rounding():
    """They are as near to each other the one way as the other, so no score tells them apart."""
    candidates, brain = arrays()
    two = candidates[:, :2]
    alike = agreements(two)
    torch.testing.assert_close(alike[:, 0], alike[:, 1])
    with pytest.raises(ValueError, match="2 candidates agree with each other alike"):
        chosen_among(two, second_order_scores(two, brain), "consensus")
    three = candidates[:, :3]
    found = chosen_among(three, second_order_scores(three, brain), "consensus")
    assert found.tolist() == agreements(three).argmax(1).tolist()


def test_an_unknown_selection_is_refused():
    with pytest.raises(ValueError, match=r"`best` is no selection\. Choose from second-order, av"):
        ReconstructionConfig(selection="best")


def test_no_step_of_choosing_can_be_given_the_true_image():
    """Neither an argument nor an import leads to what was shown."""
    decoded_alone = {"decoded", "artist", "config", "sample_tokens", "batch", "token_dtype"}
    assert set(inspect.signature(drawing.draw_block).parameters) == decoded_alone
    judging = inspect.signature(drawing.judged).parameters
    assert set(judging) == {"seen", "tokens", "embeddings", "config"}
    assert set(inspect.signature(chosen_among).parameters) == {"candidates", "scores", "selection"}
    truths = ("mindeye.targets.cache", "mindeye.data", "mindeye.reconstruction.scoring")
    for module in (selection, drawing, pipeline):
        for name in imported_modules(Path(module.__file__).read_text()):
            assert not name.startswith(truths), f"{module.__name__} imports {name}"


def imported_modules(source: str) -> list[str]:
    nodes = ast.walk(ast.parse(source))
    return [f"{node.module}" for node in nodes if isinstance(node, ast.ImportFrom)]
