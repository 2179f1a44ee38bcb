"""Shares of a batch: who computes what, and that what they make adds up."""

import pytest
import torch

from mindeye.training.share import Share, in_turns, process_share, whole
from mindeye.types import SubjectBatch


def rows_of(share: Share) -> list[int]:
    return share.rows(torch.arange(share.num_trials)).tolist()


@pytest.mark.parametrize("num_processes", [1, 2, 3, 4])
def test_processes_share_all_trials_evenly_and_in_order(num_processes):
    shares = [process_share(12, process, num_processes) for process in range(num_processes)]
    assert [row for share in shares for row in rows_of(share)] == list(range(12))
    assert {len(rows_of(share)) for share in shares} == {12 // num_processes}
    assert [share.is_whole for share in shares] == [num_processes == 1] * num_processes


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(ValueError, match=r"batch of 10 images .* evenly by 4 processes\. Choose"):
        process_share(10, 0, 4)


@pytest.mark.parametrize(
    ("micro_batch", "sizes"), [(None, [6]), (4, [4, 2]), (1, [1] * 6), (9, [6])]
)
def test_a_share_is_taken_in_turns_that_hold_its_trials(micro_batch, sizes):
    share = process_share(12, 1, 2)
    turns = in_turns(share, micro_batch)
    assert [row for turn in turns for row in rows_of(turn)] == rows_of(share)
    assert [len(rows_of(turn)) for turn in turns] == sizes


def test_each_share_names_all_subjects_and_together_they_have_all_trials():
    parts = [
        SubjectBatch(subject=number, betas=torch.randn(trials, 5), image_ids=torch.arange(trials))
        for number, trials in ((1, 3), (2, 5))
    ]
    shares = [process_share(8, process, 4) for process in range(4)]
    shared = [share.parts(parts) for share in shares]
    assert [[len(part.betas) for part in own] for own in shared] == [[2, 0], [1, 1], [0, 2], [0, 2]]
    for place, part in enumerate(parts):
        assert {own[place].subject for own in shared} == {part.subject}
        torch.testing.assert_close(torch.cat([own[place].betas for own in shared]), part.betas)
        ids = torch.cat([own[place].image_ids for own in shared])
        assert ids.tolist() == part.image_ids.tolist()


def test_means_and_contrasts_of_shares_add_up_in_value_and_gradient():
    values = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    own = values.clone().requires_grad_()
    (own.square().mean() + (own @ own.T).logsumexp(1).mean()).backward()
    total, gradient = 0.0, torch.zeros_like(values)
    for first, last in ((0, 1), (1, 4), (4, 6)):
        share = Share(first=first, last=last, num_trials=6, known={"values": values})
        part = values[first:last].clone().requires_grad_()
        every = share.among_all("values", part)
        torch.testing.assert_close(every.detach(), values)
        contrast = share.of_contrast((every @ every.T).logsumexp(1).mean())
        loss = share.of_mean(part.square().mean()) + contrast
        loss.backward()
        total += loss.item()
        gradient[first:last] = part.grad
    torch.testing.assert_close(gradient, own.grad)
    expected = values.square().mean() + (values @ values.T).logsumexp(1).mean()
    assert total == pytest.approx(expected.item(), abs=1e-6)


def test_the_whole_batch_is_handed_back_untouched():
    share, values = whole(3), torch.randn(3)
    for one in (share.of_mean(values), share.of_contrast(values), share.among_all("x", values)):
        assert one is values
