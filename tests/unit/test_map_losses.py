import math

import pytest
import torch

from mindeye.losses import soft_contrastive, soft_map_contrast


def maps(seed: int, images: int = 2, places: int = 3, width: int = 5) -> torch.Tensor:
    return torch.randn(images, places, width, generator=torch.Generator().manual_seed(seed))


def by_hand(student: list, teacher: list, view: list, temperature: float) -> float:
    """The definition over lists of vectors, one cross entropy at a time."""

    def unit(vector: list) -> list:
        length = math.sqrt(sum(x * x for x in vector))
        return [x / length for x in vector]

    def products(one: list, others: list) -> list:
        return [sum(x * y for x, y in zip(one, other)) / temperature for other in others]

    def shares(logits: list) -> list:
        total = sum(math.exp(x) for x in logits)
        return [math.exp(x) / total for x in logits]

    def entropy(ones: list, teachers: list, others: list, wanted_others: list) -> float:
        total = 0.0
        for one, told in zip(ones, teachers):
            wanted, found = shares(products(told, wanted_others)), shares(products(one, others))
            total -= sum(w * math.log(f) for w, f in zip(wanted, found))
        return total / len(ones)

    student, teacher, view = ([unit(one) for one in ones] for ones in (student, teacher, view))
    forward = entropy(student, teacher, view, view)
    backward = entropy(view, view, student, teacher)
    return (forward + backward) / 2


@pytest.mark.parametrize("temperature", [0.075, 0.2])
def test_the_contrast_of_maps_is_its_definition_over_the_places_of_all_images(temperature):
    three = [maps(seed).double() for seed in range(3)]
    lists = [one.flatten(0, 1).tolist() for one in three]
    loss = soft_map_contrast(*three, temperature)
    assert loss.item() == pytest.approx(by_hand(*lists, temperature), rel=1e-9)


def test_the_lengths_of_map_vectors_do_not_matter():
    student, teacher, view = (maps(seed) for seed in range(3))
    lengths = torch.rand(2, 3, 1, generator=torch.Generator().manual_seed(9)) + 0.5
    plain = soft_map_contrast(student, teacher, view, 0.2)
    scaled = soft_map_contrast(student * lengths, teacher * 7, view / lengths, 0.2)
    torch.testing.assert_close(scaled, plain)


def test_no_maps_are_better_than_the_teachers_own():
    teacher, view = maps(1), maps(2)
    best = teacher.clone().requires_grad_()
    loss = soft_map_contrast(best, teacher, view, 0.2)
    loss.backward()
    assert best.grad.abs().max() < 1e-6
    for seed in range(3, 9):
        assert soft_map_contrast(maps(seed), teacher, view, 0.2) > loss


def test_without_augmentation_and_with_one_place_it_is_softclip():
    student, images = (
        torch.nn.functional.normalize(maps(seed, images=6, places=1), dim=-1) for seed in (3, 4)
    )
    loss = soft_map_contrast(student, images, images, 0.125)
    brain, seen = student[:, 0], images[:, 0]
    torch.testing.assert_close(loss, soft_contrastive(brain @ seen.T, seen @ seen.T, 0.125))


def test_the_arguments_are_unchanged_and_the_gradient_reaches_the_maps_alone():
    three = [maps(seed) for seed in range(3)]
    before = [one.clone() for one in three]
    three[0].requires_grad_()
    soft_map_contrast(*three, 0.2).backward()
    assert three[0].grad.abs().sum() > 0
    for one, was in zip(three, before):
        assert torch.equal(one, was)
