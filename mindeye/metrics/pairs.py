"""What must hold before reconstructions are compared with the images that were seen."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def require_pairs(
    reconstructed: Float[Tensor, "images *features"],
    seen: Float[Tensor, "_images *_features"],
    *,
    same_size: bool = True,
) -> None:
    """Refuses what cannot be compared image by image.

    Without `same_size` pictures may differ in height and width, because they are resized later.

    Raises:
        ValueError: other counts or sizes, or no image.
        FloatingPointError: NaN or infinity; the first images are named by position.
    """
    last = None if same_size else -2
    require_same_shape(tuple(reconstructed.shape), tuple(seen.shape), slice(1, last))
    for name, values in (("reconstructions", reconstructed), ("seen images", seen)):
        require_finite(name, values)


def require_same_shape(
    reconstructed: tuple[int, ...], seen: tuple[int, ...], compared: slice
) -> None:
    """Refuses other counts, other sizes on the compared axes, and nothing at all.

    Raises:
        ValueError: both counts or shapes.
    """
    if reconstructed[0] != seen[0]:
        raise ValueError(
            f"{reconstructed[0]} reconstructions but {seen[0]} seen images. "
            "Match them by image id before comparing."
        )
    if reconstructed[compared] != seen[compared]:
        raise ValueError(
            f"Reconstructions have shape {reconstructed[1:]} but seen images {seen[1:]}. "
            "Resize both to one size, or compute both with one network."
        )
    if 0 in seen:
        raise ValueError(f"There is nothing to compare: shape {seen}. Is the test set empty?")


def require_finite(name: str, values: Float[Tensor, "images *features"]) -> None:
    """Refuses NaN and infinity.

    Raises:
        FloatingPointError: how many images, and the first positions.
    """
    # A sum is not finite if one of its terms is not; half precision could overflow, float32 not.
    dtype = torch.promote_types(values.dtype, torch.float32)
    refuse_not_finite(name, ~torch.isfinite(values.flatten(1).sum(1, dtype=dtype)))


def refuse_not_finite(name: str, bad: Bool[Tensor, "images"]) -> None:
    """Refuses images of which it is already known that they hold NaN or infinity.

    Raises:
        FloatingPointError: how many images, and the first positions.
    """
    if bad.any():
        raise FloatingPointError(
            f"{int(bad.sum())} of {len(bad)} {name} hold NaN or infinity, first at positions "
            f"{positions(bad)}. Look at the step that made them."
        )


def require_variance(name: str, constant: Bool[Tensor, "images"]) -> None:
    """Refuses images whose values are all equal, because correlation is undefined there.

    Raises:
        ValueError: how many, and the first positions.
    """
    if constant.any():
        raise ValueError(
            f"{int(constant.sum())} of {len(constant)} {name} have no variance (all values equal), "
            f"first at positions {positions(constant)}. Correlation is undefined for a blank "
            "picture; leave such images out on purpose, or look at the step that made them."
        )


def positions(chosen: Bool[Tensor, "images"]) -> list[int]:
    """Up to five positions at which `chosen` is true."""
    return torch.nonzero(chosen).flatten()[:5].tolist()
