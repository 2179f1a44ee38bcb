"""Which images are shown when, and from which seeds."""

from dataclasses import replace

import pytest
import torch

from mindeye.training.loop import derived_seed, epochs
from mindeye.training.subjects import take


def test_an_epoch_shows_every_training_image_once_and_none_twice_in_a_batch(subject):
    for batch in (8, 7):
        shown = list(epochs([subject], batch, seed=0, first=0, num_steps=2 * (24 // batch)))
        for _, _, rows in shown:
            assert len(rows) == len(rows.unique()) == batch
        first = torch.cat([rows for _, _, rows in shown[: 24 // batch]])
        assert len(first.unique()) == len(first) == 24 // batch * batch


def test_epochs_follow_from_the_seed_and_can_start_anywhere(subject):
    def listed(seed, first):
        found = epochs([subject], 8, seed=seed, first=first, num_steps=9)
        return {step: rows.tolist() for step, _, rows in found}

    whole = listed(0, 0)
    assert list(whole) == list(range(9))
    assert listed(0, 4) == {step: rows for step, rows in whole.items() if step >= 4}
    assert listed(1, 0) != whole
    assert whole[0] != whole[3]


def test_batches_of_subjects_are_shuffled_among_each_other(subject):
    other = replace(subject, number=2)
    shown = [one.number for _, one, _ in epochs([subject, other], 4, 0, 0, 12)]
    assert sorted(shown) == [1] * 6 + [2] * 6
    assert shown != sorted(shown)


def test_a_batch_larger_than_the_training_set_is_refused_with_both_numbers(subject):
    with pytest.raises(ValueError, match="Batches of 100 cannot be made of 24 training images"):
        next(epochs([subject], 100, seed=0, first=0, num_steps=1))


def test_some_images_of_a_batch_keep_ids_and_repeats_together(subject):
    part = take(subject.train, torch.tensor([5, 0]))
    assert part.image_ids.tolist() == [105, 100]
    assert part.present.tolist() == [[True] * 3, [True, True, False]]
    torch.testing.assert_close(part.betas[0], subject.train.betas[5].float())


def test_derived_seeds_differ_and_fit_a_generator():
    seeds = {derived_seed(seed, step, 0) for seed in range(5) for step in range(200)}
    assert len(seeds) == 1000
    for seed in seeds:
        torch.Generator().manual_seed(seed)
    assert derived_seed(1, 2) == derived_seed(1, 2) != derived_seed(2, 1)
