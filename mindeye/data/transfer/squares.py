"""Pictures of any size -> squares of the side that the main experiment's pictures have."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, UnidentifiedImageError

from mindeye.data.stimuli import picture_shape

NSD_SIDE = 425


def side_of_tree(stimuli: Path) -> int:
    """Of the main experiment's pictures, so that one generator draws both; NSD's without them."""
    return picture_shape(stimuli)[0] if stimuli.exists() else NSD_SIDE


def from_linear_screens(
    screens: UInt8[np.ndarray, "images height width 3"], side: int
) -> UInt8[np.ndarray, "images side side 3"]:
    """The middle square of each screen, in the brightness of ordinary pictures.

    The screens of nsdsynthetic are as wide as the display and as high as NSD's own square (714
    pixels, 8.4 degrees), and hold what a display sent that was linear in light. The square root
    takes that back, as the authors of the experiment do (gifale95/NSD-synthetic, feature
    extraction; differs: rounds, where they cut off).

    Raises:
        ValueError: screens that are higher than wide.
    """
    height, width = screens.shape[1:3]
    if width < height:
        raise ValueError(
            f"Pictures of nsdsynthetic are {height} high and {width} wide, but its screens are "
            "wider than high. Were height and width exchanged when the file was written again?"
        )
    left = (width - height) // 2
    levels = np.rint(255 * np.sqrt(np.arange(256) / 255)).astype(np.uint8)
    squares = levels[screens[:, :, left : left + height]]
    return np.stack([resized(square, side) for square in squares])


def read_square(path: Path, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """A picture file; it fills the square.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or not square.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error
    if pixels.shape[0] != pixels.shape[1]:
        raise ValueError(
            f"{path} is {pixels.shape[1]} wide and {pixels.shape[0]} high, but targets of "
            "nsdimagery are square. Is this the raw target image?"
        )
    return resized(pixels, side)


def resized(square: UInt8[np.ndarray, "old old 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Bilinear, antialiased where it shrinks; a square of that side is left as it is."""
    if len(square) == side:
        return square
    image = Image.fromarray(np.ascontiguousarray(square))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def is_blank(pictures: UInt8[np.ndarray, "images side side 3"]) -> Bool[np.ndarray, "images"]:
    """Pictures of one colour."""
    return ~np.any(pictures != pictures[:, :1, :1], axis=(1, 2, 3))
