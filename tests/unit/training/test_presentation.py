"""Which scan of an image a step sees."""

import pytest
import torch

from mindeye.training.presentation import PRESENTATIONS, Moment, presented
from mindeye.types import RepeatBatch


def repeats(images: int = 300) -> RepeatBatch:
    """Voxel r of repeat r is 1: what was drawn tells of which repeats it is the mean."""
    present = torch.ones(images, 3, dtype=torch.bool)
    present[::2, 2] = False
    return RepeatBatch(
        subject=1,
        betas=torch.eye(3).expand(images, 3, 3) * present.unsqueeze(-1),
        present=present,
        image_ids=torch.arange(images),
    )


def test_without_means_every_scan_is_one_repeat_that_is_present():
    drawn = shown(repeats(), "drawn", mean_of_repeats=0.0)
    assert ((drawn == 1).sum(1) == 1).all()
    torch.testing.assert_close(drawn.sum(1), torch.ones(300))
    assert (drawn[::2, 2] == 0).all()
    assert drawn[1::2].sum(0).min() > 30


def test_a_mean_is_over_a_random_subset_and_never_empty():
    drawn = shown(repeats(), "drawn", mean_of_repeats=1.0)
    torch.testing.assert_close(drawn.sum(1), torch.ones(300))
    assert (drawn[::2, 2] == 0).all()
    sizes = (drawn[1::2] > 0).sum(1)
    assert set(sizes.tolist()) == {1, 2, 3}
    torch.testing.assert_close(drawn.max(1).values, 1 / (drawn > 0).sum(1))


def test_means_come_with_the_chance_asked_for():
    one, half = (shown(repeats(), "drawn", mean_of_repeats=share) for share in (1.0, 0.5))
    assert ((half > 0).sum(1) > 1).sum() < ((one > 0).sum(1) > 1).sum()


def test_the_draw_follows_from_the_generator_and_leaves_the_batch():
    batch = repeats()
    first, second = (shown(batch, "drawn", seed=3) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first, shown(batch, "drawn", seed=4))
    torch.testing.assert_close(batch.betas, repeats().betas, rtol=0, atol=0)


def shown(
    batch: RepeatBatch,
    presentation: str,
    *,
    step: int = 0,
    pass_number: int = 0,
    mean_of_repeats: float = 0.5,
    seed: int = 0,
) -> torch.Tensor:
    moment = Moment(
        step=step,
        pass_number=pass_number,
        seed=seed,
        mean_of_repeats=mean_of_repeats,
        generator=torch.Generator().manual_seed(seed),
    )
    return presented(batch, presentation, moment)


def test_cyclic_shows_the_same_repeat_of_all_and_the_next_one_at_the_next_step():
    batch = repeats(4)
    turns = [shown(batch, "cyclic", step=step).argmax(1).tolist() for step in range(4)]
    # Images 0 and 2 were shown twice.
    assert turns == [[0, 0, 0, 0], [1, 1, 1, 1], [0, 2, 0, 2], [1, 0, 1, 0]]


def test_three_passes_show_every_trial_once():
    batch = repeats()
    passes = [shown(batch, "trials", pass_number=number) for number in range(3)]
    torch.testing.assert_close(sum(passes)[1::2], torch.ones(150, 3))
    assert (sum(passes)[::2, :2] >= 1).all()
    assert (sum(passes)[::2, 2] == 0).all()
    # Other images begin with other repeats, and the next three passes begin anew.
    assert passes[0].sum(0).min() > 30
    again = shown(batch, "trials", pass_number=3)
    assert not torch.equal(again, passes[0])
    part = shown(
        RepeatBatch(
            subject=1,
            betas=batch.betas[7:9],
            present=batch.present[7:9],
            image_ids=batch.image_ids[7:9],
        ),
        "trials",
    )
    torch.testing.assert_close(part, passes[0][7:9])


def test_weighted_means_plain_means_and_single_trials_come_with_the_published_shares():
    batch = repeats(20)
    kinds = {"weighted": 0, "mean": 0, "single": 0}
    for seed in range(400):
        scan = shown(batch, "weighted", seed=seed)
        torch.testing.assert_close(scan.sum(1), torch.ones(20))
        assert (scan[::2, 2] == 0).all()
        whole = scan[1::2]
        single, mean = (whole == 1).any(1).all(), (whole - 1 / 3).abs().max() < 1e-6
        kinds["single" if single else "mean" if mean else "weighted"] += 1
    assert kinds["weighted"] == pytest.approx(200, abs=40)
    assert kinds["mean"] == pytest.approx(120, abs=37)
    assert kinds["single"] == pytest.approx(80, abs=32)


@pytest.mark.parametrize("presentation", PRESENTATIONS)
def test_no_presentation_changes_the_batch(presentation):
    batch = repeats()
    shown(batch, presentation)
    torch.testing.assert_close(batch.betas, repeats().betas, rtol=0, atol=0)


def test_an_unknown_presentation_is_refused():
    with pytest.raises(LookupError, match="Choose one of drawn, cyclic, trials, weighted"):
        shown(repeats(), "all")
