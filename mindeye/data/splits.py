"""Which images are for training, for validation, for the test: by image, never by trial."""

import hashlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

SPLITS = ("train", "validation", "test")
VALIDATION_SHARE = 0.05


def held_out(
    image_ids: Int[np.ndarray, "images"], *, share: float, seed: int
) -> Bool[np.ndarray, "images"]:
    """About `share` of the images, by a hash of seed and image id alone.

    Adding sessions or subjects never moves an image from one side to the other.
    """
    limit = int(share * 2**64)
    digests = (hashlib.sha256(f"{seed}:{image_id}".encode()).digest() for image_id in image_ids)
    return np.array([int.from_bytes(digest[:8], "big") < limit for digest in digests], dtype=bool)


def split_images(
    image_ids: Int[np.ndarray, "trials"],
    is_test: Bool[np.ndarray, "trials"],
    *,
    seed: int,
    validation_share: float = VALIDATION_SHARE,
) -> dict[str, Int[np.ndarray, "_"]]:
    """Ascending image ids of each split; the validation is some of the images that are no test.

    Args:
        validation_share: 0 gives no validation.

    Raises:
        ValueError: a split without any image, or an image that is for the test in some trials.
    """
    is_validation = ~is_test & held_out(image_ids, share=validation_share, seed=seed)
    members = {
        "train": ~is_test & ~is_validation,
        "validation": is_validation,
        "test": is_test,
    }
    splits = {name: np.unique(image_ids[chosen]) for name, chosen in members.items()}
    wanted = [name for name in splits if validation_share or name != "validation"]
    empty = [name for name in wanted if not len(splits[name])]
    if empty:
        raise ValueError(
            f"{len(np.unique(image_ids))} images leave nothing for {' and '.join(empty)}. "
            "Take more sessions, or another seed."
        )
    require_disjoint(splits)
    return splits


def require_disjoint(splits: Mapping[str, Int[np.ndarray, "_"]]) -> None:
    """Refuses an image that stands in two splits.

    Raises:
        ValueError: names the splits and up to five image ids.
    """
    names = list(splits)
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            both = np.intersect1d(splits[first], splits[second])
            if len(both):
                raise ValueError(
                    f"{len(both)} images stand in {first} and in {second}, "
                    f"first {both[:5].tolist()}. Split by image, never by trial."
                )


def trials_of_split(
    image_ids: Int[np.ndarray, "trials"],
    splits: Mapping[str, Int[np.ndarray, "_"]],
    split: str,
) -> Bool[np.ndarray, "trials"]:
    """The trials whose image belongs to a split.

    Raises:
        LookupError: no such split.
    """
    if split not in splits:
        raise LookupError(f"There is no split `{split}`. Pick one of {', '.join(splits)}.")
    return np.isin(image_ids, splits[split])
