import jaxtyping
import pytest
import torch

from mindeye.types import Decoded, RepeatBatch, SubjectBatch, require_unique


def batch(present: torch.Tensor, betas: torch.Tensor) -> RepeatBatch:
    ids = torch.arange(len(betas))
    return RepeatBatch(subject=1, betas=betas, present=present, image_ids=ids)


def test_the_mean_is_over_repeats_that_are_present():
    betas = torch.randn(3, 3, 5, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[True, True, True], [True, True, False], [False, False, True]])
    betas = betas * present.unsqueeze(-1)
    mean = batch(present, betas).mean()
    torch.testing.assert_close(mean[0], betas[0].mean(0))
    torch.testing.assert_close(mean[1], betas[1, :2].mean(0))
    torch.testing.assert_close(mean[2], betas[2, 2])


def test_what_stands_where_no_repeat_is_does_not_count():
    present = torch.tensor([[True, False]])
    betas = torch.tensor([[[1.0, 2.0], [9.0, 9.0]]])
    torch.testing.assert_close(batch(present, betas).mean(), betas[:, 0])


def test_the_mean_of_float16_repeats_is_not_rounded_to_float16():
    betas = torch.tensor([[[1.0], [1.0], [1.5]]], dtype=torch.float16)
    mean = batch(torch.ones(1, 3, dtype=torch.bool), betas).mean()
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, torch.tensor([[3.5 / 3]]))


def test_shapes_are_checked_while_tests_run():
    with pytest.raises(jaxtyping.TypeCheckError):
        SubjectBatch(subject=1, betas=torch.ones(3, 2), image_ids=torch.arange(4))
    with pytest.raises(jaxtyping.TypeCheckError):
        batch(torch.ones(2, 2, dtype=torch.bool), torch.ones(2, 3, 4))


def test_values_that_cross_borders_are_frozen():
    one = SubjectBatch(subject=1, betas=torch.ones(3, 2), image_ids=torch.arange(3))
    with pytest.raises(AttributeError):
        one.subject = 2
    decoded = Decoded(torch.arange(1), torch.ones(1, 1, 1), torch.ones(1, 1), None, None)
    with pytest.raises(AttributeError):
        decoded.latents = torch.ones(1)


def test_an_image_that_stands_twice_is_named():
    require_unique(torch.tensor([5, 3, 8]))
    require_unique(torch.tensor([], dtype=torch.int64))
    with pytest.raises(ValueError, match=r"1 image ids stand more than once, first \[7\]"):
        require_unique(torch.tensor([7, 3, 7]))
