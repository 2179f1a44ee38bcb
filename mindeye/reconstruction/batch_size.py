"""How many pictures are drawn at once, and what happens where memory is too small for them."""

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

# Drawn together where nobody chooses.
IMAGES = 20

Result = TypeVar("Result")


class BatchSize:
    """A number of pictures that goes down when memory runs out, and stays down.

    Args:
        pictures: at once; None takes all that are asked for.
    """

    def __init__(self, pictures: int | None = None) -> None:
        if pictures is not None and pictures < 1:
            raise ValueError(f"A batch of {pictures} pictures draws none. Choose 1 or more.")
        self.pictures = pictures

    def num_images(self, candidates: int) -> int:
        """How many images of so many candidates are drawn together, at least one."""
        return IMAGES if self.pictures is None else max(1, self.pictures // candidates)

    def in_parts(self, total: int, work: Callable[[slice], Result]) -> list[Result]:
        """Results of work on slices of `total` pictures, in order.

        A slice that an accelerator has no room for is done again in halves; what is random in
        `work` has to begin anew with each call.

        Raises:
            MemoryError: there is no room for a single picture.
        """
        parts: list[Result] = []
        done = 0
        while done < total:
            stop = min(done + (self.pictures or total), total)
            result = _within_memory(work, slice(done, stop))
            if result is None:
                self._halve(stop - done)
                continue
            parts.append(result[0])
            done = stop
        return parts

    def _halve(self, tried: int) -> None:
        if tried == 1:
            raise MemoryError(
                "The device has no room for a single picture. Close what else runs there, or take "
                "a generator or a precision that needs less."
            )
        self.pictures = tried // 2
        warnings.warn(
            f"The device has no room to draw {tried} pictures at once; it goes on with "
            f"{self.pictures}. Pass --batch {self.pictures} to begin so and hear nothing of it.",
            stacklevel=3,
        )


def _within_memory(work: Callable[[slice], Result], rows: slice) -> tuple[Result] | None:
    """The result; None where an accelerator had no room."""
    try:
        return (work(rows),)
    except torch.OutOfMemoryError:
        pass
    # Here, and not above: the error holds what had been computed until it is forgotten.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
