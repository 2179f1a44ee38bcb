"""Pictures as the disk has them (uint8, channels last) and as networks take them."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from mindeye.files import atomic_path


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
