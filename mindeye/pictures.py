"""Pictures as the disk has them (uint8, channels last) and as networks take them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from mindeye.files import atomic_path, require_whole, sha256_of


@dataclass(frozen=True, kw_only=True)
class SavedPictures:
    """Pictures in an .npy file of uint8 (images, side, side, 3), or some of them."""

    path: Path
    sha256: str
    """Of the file, when it was written."""
    image_ids: Int[np.ndarray, "images"]
    """Ascending."""
    rows: Int[np.ndarray, "images"]
    """Where each stands in the file."""

    @cached_property
    def _array(self) -> UInt8[np.ndarray, "rows side side 3"]:
        return np.load(self.path, mmap_mode="r", allow_pickle=False)

    @property
    def ids_hash(self) -> str:
        """SHA-256 of the image ids in their order."""
        return hashlib.sha256(self.image_ids.astype("<i8").tobytes()).hexdigest()

    def images(self, places: slice) -> Float[Tensor, "images 3 side side"]:
        """Some of them, RGB in [0, 1].

        Raises:
            ValueError: the file was cut off since it was opened.
        """
        require_whole(self._array)
        return as_images(self._array[self.rows[places]])

    def verify(self) -> None:
        """Reads the whole file.

        Raises:
            ValueError: it is not the one that was written.
        """
        actual = sha256_of(self.path)
        if actual != self.sha256:
            raise ValueError(
                f"{self.path} has SHA-256 {actual[:12]}, the manifest says {self.sha256[:12]}. "
                "It changed since it was written: prepare the subject again."
            )


def as_images(
    pictures: UInt8[np.ndarray, "images height width 3"],
) -> Float[Tensor, "images 3 height width"]:
    """uint8, channels last -> RGB in [0, 1], channels first."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255


def as_pictures(images: Float[Tensor, "*batch 3 height width"]) -> UInt8[np.ndarray, "..."]:
    """RGB in [0, 1], channels first -> uint8, channels last."""
    rounded = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(rounded.movedim(-3, -1).cpu().numpy())


def save_png(picture: UInt8[np.ndarray, "height width 3"], path: Path) -> None:
    """Writes one picture atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
