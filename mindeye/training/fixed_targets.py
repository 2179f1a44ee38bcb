"""What the frozen networks say of a training's images, all that does not change from step to step.

Of all images: CLIP's tokens and the VAE's latents. Of the training images alone: the teacher's maps
and, where `augmented_views` fixes them, the tokens and maps of augmented views.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor

from mindeye.config import to_mapping
from mindeye.data.batches import PreparedSubject
from mindeye.disk import require_free_space
from mindeye.files import one_at_a_time
from mindeye.pictures import SavedPictures
from mindeye.targets.cache import TargetTable, clip_embedder, embedders_of, table_of
from mindeye.targets.cached_rows import CachedRows, cached_rows, open_rows
from mindeye.targets.embedder import Embedder, View
from mindeye.targets.feature_maps import MapTarget
from mindeye.training.augmentation import AugmentationConfig, augmented
from mindeye.training.networks import FrozenNetworks
from mindeye.training.order import derived_seed

CACHE = "targets"


@dataclass(frozen=True, kw_only=True)
class FixedTargets:
    """Of the training images."""

    maps: CachedRows | None = None
    """The teacher's."""
    token_views: Sequence[CachedRows] = ()
    """CLIP's tokens of each view; empty where pictures are augmented anew in every step."""
    map_views: Sequence[CachedRows] = ()
    """The same of the teacher's maps."""


def open_targets(
    prepared: PreparedSubject,
    networks: FrozenNetworks,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[TargetTable, FixedTargets]:
    """Opens a subject's part of the cache, or makes what is absent; see `cached_rows`."""
    folder = prepared.path / CACHE
    plain = embedders_of(networks.clip, networks.vae)
    table = table_of(*cached_rows(folder, prepared.pictures, plain, progress))
    wanted = training_embedders(networks)
    if not wanted:
        return table, FixedTargets()
    rows = cached_rows(folder, training_pictures(prepared), wanted, progress)
    of_role = {
        (role, has_view): [
            one
            for one, embedder in zip(rows, wanted, strict=True)
            if (embedder.role, embedder.view is not None) == (role, has_view)
        ]
        for role, has_view in (("maps", False), ("tokens", True), ("maps", True))
    }
    return table, FixedTargets(
        maps=next(iter(of_role["maps", False]), None),
        token_views=of_role["tokens", True],
        map_views=of_role["maps", True],
    )


def training_embedders(networks: FrozenNetworks) -> list[Embedder]:
    """What is asked of training images alone."""
    clip, teacher, numbers = networks.clip, networks.teacher, range(networks.num_views or 0)
    found = [map_embedder(teacher)] if teacher else []
    if networks.augmentation:
        views = [fixed_view(one, networks.augmentation, networks.view_seed) for one in numbers]
        found += [clip_embedder(clip, view) for view in views]
    if teacher:
        settings = networks.map_augmentation, networks.view_seed
        views = [fixed_view(one, *settings, resized=teacher.resized) for one in numbers]
        found += [map_embedder(teacher, view) for view in views]
    return found


def map_embedder(teacher: MapTarget, view: View | None = None) -> Embedder:
    """The teacher's maps."""
    return Embedder(
        role="maps",
        identity=teacher.identity,
        row_shape=teacher.map_shape,
        device=next(teacher.model.parameters()).device,
        embed=teacher.maps,
        view=view,
    )


def fixed_view(
    number: int,
    augmentation: AugmentationConfig,
    seed: int,
    *,
    resized: Callable[[Tensor], Tensor] = lambda images: images,
) -> View:
    """An augmentation that an image meets in the same way whenever it is asked for.

    It follows from the seed, the image's id and the view's number; other images, and how many
    views there are, do not matter.

    Args:
        resized: brings pictures to the side at which they are changed.
    """

    def change(
        images: Float[Tensor, "images 3 side side"], image_ids: Int[np.ndarray, "images"]
    ) -> Float[Tensor, "images 3 new_side new_side"]:
        seeds = [derived_seed(seed, image_id, number) for image_id in image_ids.tolist()]
        generators = [torch.Generator().manual_seed(one) for one in seeds]
        return torch.cat(
            [
                augmented(image[None], augmentation, generator)
                for image, generator in zip(resized(images), generators, strict=True)
            ]
        )

    settings = {"number": number, "seed": seed, "augmentation": to_mapping(augmentation)}
    return View(number=number, settings=settings, change=change)


def drawn_view(
    views: Sequence[CachedRows],
    image_ids: Int[Tensor, "images"],
    generator: torch.Generator,
    cut: slice,
) -> Float16[Tensor, "own *row"]:
    """One of the views of each image, each as likely as the others: of those in `cut`.

    It is drawn for all images, so that a share of a batch sees what the whole would.
    """
    drawn = torch.randint(len(views), (len(image_ids),), generator=generator)[cut].tolist()
    own = image_ids[cut]
    rows = [views[view].of(one[None]) for view, one in zip(drawn, own, strict=True)]
    return torch.cat([views[0].of(own[:0]), *rows])  # of no image, no row, but of the right shape


def training_pictures(prepared: PreparedSubject) -> SavedPictures:
    """Those of the training images alone."""
    image_ids = prepared.image_ids_of("train")
    return replace(prepared.pictures, image_ids=image_ids, rows=prepared.rows_of(image_ids))


def cache_bytes(
    networks: FrozenNetworks, num_images: int, num_training_images: int
) -> dict[str, int]:
    """Folder of a subject's cache -> its bytes, whether it is there or not."""
    counts = [
        *((one, num_images) for one in embedders_of(networks.clip, networks.vae)),
        *((one, num_training_images) for one in training_embedders(networks)),
    ]
    return {one.name: one.num_bytes(count) for one, count in counts}


def absent_bytes(prepared: PreparedSubject, networks: FrozenNetworks) -> int:
    """What a training would add to a subject's cache, in bytes."""
    training = prepared.manifest["splits"]["train"]["num_images"]
    sizes = cache_bytes(networks, len(prepared.image_ids), training)
    there = {name for name in sizes if (prepared.path / CACHE / name).exists()}
    return sum(size for name, size in sizes.items() if name not in there)


def check_targets(prepared: Sequence[PreparedSubject], networks: FrozenNetworks) -> None:
    """Looks at what is cached, by its hashes, and for room for what is not.

    Processes that embed are waited for.

    Raises:
        OSError: no room; subjects on one disk are added up.
        ValueError: a folder of the cache is damaged, or of other pictures.
    """
    absent_on: dict[int, int] = {}
    for one in prepared:
        disk = one.path.stat().st_dev
        # Locked, or room that another process has just taken for the same rows is missed here.
        with one_at_a_time(one.path / CACHE):
            _verify_cached(one, networks)
            absent_on[disk] = absent_on.get(disk, 0) + absent_bytes(one, networks)
            require_free_space(one.path, absent_on[disk], "The embedding cache")


def _verify_cached(prepared: PreparedSubject, networks: FrozenNetworks) -> None:
    wanted = [(prepared.pictures, one) for one in embedders_of(networks.clip, networks.vae)]
    if of_training := training_embedders(networks):
        pictures = training_pictures(prepared)
        wanted += [(pictures, one) for one in of_training]
    for pictures, embedder in wanted:
        if (prepared.path / CACHE / embedder.name).exists():
            open_rows(prepared.path / CACHE, pictures, embedder).verify()
