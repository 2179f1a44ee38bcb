"""Which images are shown when, and from which seeds."""

import pytest
import torch

from mindeye.training.order import batch_rows, batches_in_pass, derived_seed
from mindeye.training.subjects import take


def rows_of(batch, *, images=24, seed=0, first=0, num_steps=9):
    found = batch_rows({1: images}, batch, seed, first=first, num_steps=num_steps)
    return [(one.step, one.rows_of[1]) for one in found]


def test_a_pass_shows_every_training_image_once_and_none_twice_in_a_batch():
    for batch in (8, 7):
        shown = rows_of(batch, num_steps=2 * (24 // batch))
        for _, rows in shown:
            assert len(rows) == len(rows.unique()) == batch
        first = torch.cat([rows for _, rows in shown[: 24 // batch]])
        assert len(first.unique()) == len(first) == 24 // batch * batch


def test_batches_follow_from_the_seed_and_can_start_and_end_anywhere():
    def listed(seed, first, num_steps=9):
        found = rows_of(8, seed=seed, first=first, num_steps=num_steps)
        return {step: rows.tolist() for step, rows in found}

    whole = listed(0, 0)
    assert list(whole) == list(range(9))
    assert listed(0, 4) == {step: rows for step, rows in whole.items() if step >= 4}
    assert listed(0, 0, 5) == {step: rows for step, rows in whole.items() if step < 5}
    assert listed(1, 0) != whole
    assert whole[0] != whole[3]


def test_batches_of_subjects_are_shuffled_among_each_other():
    found = batch_rows({1: 24, 2: 24}, 4, 0, first=0, num_steps=12)
    shown = [number for one in found for number in one.rows_of]
    assert sorted(shown) == [1] * 6 + [2] * 6
    assert shown != sorted(shown)


def test_together_every_batch_takes_as_many_images_of_each_subject():
    sizes = {1: 24, 2: 13}
    found = list(batch_rows(sizes, 8, 0, first=0, num_steps=6, together=True))
    assert batches_in_pass(sizes, 8, together=True) == 3
    assert [one.pass_number for one in found] == [0, 0, 0, 1, 1, 1]
    for one in found:
        assert [len(rows) for rows in one.rows_of.values()] == [4, 4]
    for subject in sizes:
        shown = torch.cat([one.rows_of[subject] for one in found[:3]])
        assert len(shown.unique()) == 12
    with pytest.raises(ValueError, match="A batch of 9 cannot be shared evenly by 2 subjects"):
        batches_in_pass(sizes, 9, together=True)


def test_a_batch_larger_than_the_training_set_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="Batches of 100 cannot be made of 24 training images"):
        rows_of(100)


def test_some_images_of_a_batch_keep_ids_and_repeats_together(subject):
    part = take(subject.train, torch.tensor([5, 0]))
    assert part.image_ids.tolist() == [105, 100]
    assert part.present.tolist() == [[True] * 3, [True, True, False]]
    assert part.betas.dtype == torch.float32
    torch.testing.assert_close(part.betas, subject.prepared.repeats("train").betas[[5, 0]].float())


def test_derived_seeds_differ_and_fit_a_generator():
    seeds = {derived_seed(seed, step, 0) for seed in range(5) for step in range(200)}
    assert len(seeds) == 1000
    for seed in seeds:
        torch.Generator().manual_seed(seed)
    assert derived_seed(1, 2) == derived_seed(1, 2) != derived_seed(2, 1)
