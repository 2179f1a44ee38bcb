"""Targets that are embedded once: the same numbers as in the step, and their bytes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from mindeye.data.batches import PreparedSubject
from mindeye.pictures import as_images
from mindeye.training.augmentation import AugmentationConfig, augmented
from mindeye.training.fixed_targets import (
    absent_bytes,
    cache_bytes,
    drawn_view,
    fixed_view,
    open_targets,
)
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.order import batch_rows, derived_seed
from mindeye.training.step_batch import step_batch
from mindeye.training.subjects import Material, open_subject

STRONG = AugmentationConfig(crop_chance=1.0, jitter_chance=1.0, grey_chance=0.5)
HALF = {"rtol": 1e-3, "atol": 1e-3}


def material_of(config) -> Material:
    networks, prepared = open_networks(config), PreparedSubject(config.data[0])
    return Material(subjects={1: open_subject(prepared, networks)}, networks=networks)


def batch_of(config, material, seed):
    rows = next(batch_rows(material.num_images_of, 8, config.seed, first=0, num_steps=1))
    generator = torch.Generator().manual_seed(seed)
    return step_batch(config, material, rows, generator, torch.device("cpu"))


def seen_by_hand(config, augmentation, prepared, image_id, number, side=None):
    """The view of one image, without the cache and without `fixed_view`."""
    picture = as_images(prepared.images[prepared.image_ids.tolist().index(image_id)][None])
    if side:
        picture = interpolate(picture, size=(side, side), mode="bilinear", antialias=True)
    generator = torch.Generator().manual_seed(derived_seed(config.view_seed, image_id, number))
    return augmented(picture, augmentation, generator)


def test_a_step_sees_each_image_s_own_views_as_if_they_were_embedded_there(viewed):
    material = material_of(viewed)
    clip, teacher = material.networks.clip, material.networks.teacher
    prepared = material.subjects[1].prepared
    drawn = []
    for seed in range(4):
        batch = batch_of(viewed, material, seed)
        for row, image_id in enumerate(batch.parts[0].image_ids.tolist()):
            own = viewed.map_augmentation, prepared, image_id
            for found, of, seen in (
                (batch.targets.tokens, clip.tokens, (material.networks.augmentation, *own[1:])),
                (batch.targets.augmented_maps, teacher.maps, own),
            ):
                side = teacher.side if of == teacher.maps else None
                views = [of(seen_by_hand(viewed, *seen, number, side))[0] for number in range(2)]
                near = [torch.allclose(found[row], one, **HALF) for one in views]
                assert sum(near) == 1
                drawn.append(near.index(True))
    # Both are drawn, and about as often: of 64 by chance outside with 1 in 5,000.
    assert 17 <= sum(drawn) <= 47
    assert not torch.allclose(
        batch.targets.tokens, material.subjects[1].targets.tokens(batch.parts[0].image_ids), **HALF
    )


def test_steps_with_views_embed_nothing_and_open_no_picture(viewed, monkeypatch):
    material = material_of(viewed)
    for network, name in ((material.networks.clip, "tokens"), (material.networks.teacher, "maps")):
        monkeypatch.setattr(type(network), name, None)
    monkeypatch.setattr(type(material.subjects[1]), "pictures", None)
    batch = batch_of(viewed, material, 0)
    ids = batch.parts[0].image_ids
    maps = material.subjects[1].fixed.maps.of(ids).float()
    assert torch.equal(batch.targets.maps, maps)


def test_which_view_is_drawn_follows_from_the_step_s_generator(viewed):
    material = material_of(viewed)
    first, again, other = (batch_of(viewed, material, seed).targets for seed in (0, 0, 1))
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.augmented_maps, again.augmented_maps)
    assert not torch.equal(first.tokens, other.tokens)


def test_a_view_of_an_image_depends_neither_on_other_images_nor_on_their_order():
    images, ids = torch.rand(5, 3, 16, 16), np.array([3, 8, 20, 21, 70])
    view = fixed_view(1, STRONG, seed=4)
    whole = view.change(images, ids)
    some = [4, 0]
    assert torch.equal(view.change(images[some], ids[some]), whole[some])
    for other in (fixed_view(0, STRONG, seed=4), fixed_view(1, STRONG, seed=5)):
        assert not torch.equal(other.change(images, ids), whole)
        assert other.name != view.name


@pytest.mark.parametrize("cut", [slice(None), slice(1, 3), slice(0, 0)])
def test_each_view_is_drawn_with_its_own_image_for_the_whole_batch(viewed, cut):
    views = material_of(viewed).subjects[1].fixed.token_views
    ids = torch.tensor([105, 100, 123, 101])
    drawn = drawn_view(views, ids, torch.Generator().manual_seed(0), cut)
    choice = torch.randint(2, (4,), generator=torch.Generator().manual_seed(0))
    assert 0 < choice.sum() < 4
    assert drawn.shape == (len(ids[cut]), 5, 16)
    for row, image_id, view in zip(drawn, ids[cut], choice[cut], strict=True):
        assert torch.equal(row, views[view].of(image_id[None])[0])


def test_views_and_maps_are_of_training_images_alone(viewed):
    fixed = material_of(viewed).subjects[1].fixed
    for rows in (fixed.maps, *fixed.token_views, *fixed.map_views):
        assert rows.image_ids.tolist() == list(range(100, 124))
    assert (len(fixed.token_views), len(fixed.map_views)) == (2, 2)


def test_without_a_number_of_views_none_is_embedded_but_the_teacher_s_maps(viewed):
    fixed = material_of(replace(viewed, augmented_views=None)).subjects[1].fixed
    assert fixed.maps is not None
    assert len(fixed.token_views) == len(fixed.map_views) == 0


def test_trainings_of_another_seed_share_the_views(viewed):
    material_of(viewed)
    prepared = PreparedSubject(viewed.data[0])
    before = sorted(path.name for path in (prepared.path / "targets").iterdir())
    assert len(before) == 2 + 1 + 2 + 2
    material_of(replace(viewed, seed=viewed.seed + 1))
    assert sorted(path.name for path in (prepared.path / "targets").iterdir()) == before
    # A third view leaves the first two; another seed of the views makes others.
    material_of(replace(viewed, augmented_views=3))
    assert len(list((prepared.path / "targets").iterdir())) == len(before) + 2
    material_of(replace(viewed, view_seed=10))
    assert len(list((prepared.path / "targets").iterdir())) == len(before) + 2 + 4


def test_a_training_with_views_repeats_itself(viewed, tmp_path):
    first, again = (train(viewed, tmp_path / name).weights() for name in ("first", "again"))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    anew = train(replace(viewed, augmented_views=None), tmp_path / "anew").weights()
    assert not all(torch.equal(value, anew[name]) for name, value in first.items())


def test_bytes_are_counted_before_anything_is_embedded(viewed):
    networks, prepared = open_networks(viewed), PreparedSubject(viewed.data[0])
    sizes = cache_bytes(networks, num_images=38, num_training_images=24)
    assert absent_bytes(prepared, networks) == sum(sizes.values())
    # Float16: 38 images of 5 x 16 tokens and 4 x 8 x 8 latents; 24 of 2 views, of maps of 4 x 6
    # and of 2 views of them.
    by_hand = 2 * (38 * (5 * 16 + 4 * 8 * 8) + 24 * (2 * 5 * 16 + 3 * 4 * 6))
    assert sum(sizes.values()) == by_hand
    open_targets(prepared, networks)
    for name, size in sizes.items():
        assert np.load(prepared.path / "targets" / name / "rows.npy").nbytes == size
    assert absent_bytes(prepared, networks) == 0


@pytest.mark.parametrize("what", ["augmentation", "teacher"])
def test_views_are_of_whatever_is_augmented(own, with_teacher, what):
    config = (
        replace(own, augmentation=STRONG, augmented_views=2)
        if what == "augmentation"
        else replace(with_teacher, data=own.data, augmented_views=2)
    )
    fixed = material_of(config).subjects[1].fixed
    counts = (2, 0) if what == "augmentation" else (0, 2)
    assert (len(fixed.token_views), len(fixed.map_views)) == counts
    batch_of(config, material_of(config), 0)


def test_views_of_nothing_are_refused(own):
    with pytest.raises(ValueError, match="`augmented_views` is 2, but no picture is augmented"):
        replace(own, augmented_views=2)
