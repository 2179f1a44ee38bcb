"""Contact sheets of a folder of reconstructions: what was seen, and everything drawn of it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mindeye.pictures import save_png
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.report.grids import contact_sheet

SHEETS = "sheets"
IMAGES_PER_SHEET = 10
# Pixels of a picture on a sheet; smaller ones are enlarged.
TILE = 128
# The rest are in reconstructions.safetensors.
MOST_CANDIDATES = 8


def num_sheets(num_images: int) -> int:
    """How many hold so many images."""
    return -(-num_images // IMAGES_PER_SHEET)


def bytes_of_sheets(num_images: int, num_candidates: int) -> int:
    """Of their raw pixels, with what stands between and below the pictures."""
    lines = 4 + min(num_candidates, MOST_CANDIDATES)
    return 3 * num_sheets(num_images) * (TILE + 8) ** 2 * (IMAGES_PER_SHEET + 1) * lines


def write_sheets(
    out: Path,
    drawn: Reconstruction,
    shown: UInt8[np.ndarray, "images height width 3"],
    *,
    marks: Mapping[int, str],
    captions: Mapping[int, str],
    note: str,
) -> None:
    """Writes sheets/000.png and so on: a line of what was seen, then the drawn ones.

    Args:
        shown: the true images, of the same ids in the same order.
        marks: images that are not to be trusted; `?` stands behind their ids.
        note: stands below the pictures.
    """
    lines = {"seen": shown, "chosen": drawn.pictures}
    if drawn.blurry is not None:
        lines["blurry"] = drawn.blurry
    if drawn.candidates.shape[1] > 1:
        for number in range(min(drawn.candidates.shape[1], MOST_CANDIDATES)):
            lines[f"candidate {number}"] = drawn.candidates[:, number]
    ids = drawn.image_ids.tolist()
    for sheet in range(num_sheets(len(ids))):
        rows = slice(sheet * IMAGES_PER_SHEET, (sheet + 1) * IMAGES_PER_SHEET)
        on_sheet = ids[rows]
        picture = contact_sheet(
            {label: tiles(pictures[rows]) for label, pictures in lines.items()},
            note,
            above=[f"{one} ?" if one in marks else str(one) for one in on_sheet],
            below=[captions.get(one, "") for one in on_sheet],
        )
        save_png(picture, out / SHEETS / f"{sheet:03d}.png")


def has_sheets(out: Path, num_images: int) -> bool:
    """Whether all are there."""
    return all((out / SHEETS / f"{one:03d}.png").exists() for one in range(num_sheets(num_images)))


def tiles(
    pictures: UInt8[np.ndarray, "images height width 3"],
) -> UInt8[np.ndarray, "images rows columns 3"]:
    """Pictures at the size that they have on a sheet."""
    size = (TILE, TILE)
    resized = (Image.fromarray(one).resize(size, Image.Resampling.LANCZOS) for one in pictures)
    return np.stack([np.asarray(one) for one in resized])
