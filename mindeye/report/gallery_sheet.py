"""Contact sheets of what a gallery gave: the question at the left, then what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

TILE, GAP, TEXT = 112, 6, 12
CHOSEN = (200, 60, 20)
MOST_LETTERS, LETTERS_BENEATH = 34, 18

Picture = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A picture that was found."""

    picture: Picture
    text: str
    """Beneath it: rank and cosine."""
    chosen: bool = False
    """Whether it stands in a frame."""


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One question with its answers."""

    label: str
    asked: Picture | None
    """The picture that was asked for, where it is one."""
    found: Sequence[Found]


def gallery_sheet(
    rows: Sequence[SheetRow], note: str = ""
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """A row a question; pictures are cropped to their central square.

    Raises:
        ValueError: no row.
    """
    if not rows:
        raise ValueError("A contact sheet needs at least one row. Nothing was asked for.")
    font = ImageFont.load_default(TEXT)
    most = max(len(row.found) for row in rows)
    # Without a picture, the head of a row is wide enough for lines of its label.
    head = 2 * TILE if any(row.asked is None for row in rows) else TILE + 2 * GAP
    high = TILE + TEXT + 2 * GAP
    wide = head + GAP + most * (TILE + GAP) + GAP
    wide = max(wide, 2 * GAP + int(font.getlength(note)))
    sheet = Image.new("RGB", (wide, len(rows) * high + (TEXT + 3 * GAP if note else GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for line, row in enumerate(rows):
        top = GAP + line * high
        _draw_head(sheet, draw, row, top, font)
        for column, one in enumerate(row.found):
            left = head + GAP + column * (TILE + GAP)
            sheet.paste(_tile(one.picture), (left, top))
            if one.chosen:
                draw.rectangle(
                    (left - 3, top - 3, left + TILE + 2, top + TILE + 2), outline=CHOSEN, width=3
                )
            draw.text((left, top + TILE + 3), one.text, fill="black", font=font)
    if note:
        draw.text((GAP, sheet.height - TEXT - GAP), note, fill="black", font=font)
    return np.asarray(sheet)


def stacked(
    sheets: Sequence[UInt8[np.ndarray, "_height _width 3"]],
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """Sheets one below the other, on white where one is narrower."""
    width = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate(
        [
            np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=255)
            for one in sheets
        ]
    )


def _draw_head(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, row: SheetRow, top: int, font
) -> None:
    if row.asked is not None:
        sheet.paste(_tile(row.asked), (GAP, top))
        draw.text((GAP, top + TILE + 3), row.label[:LETTERS_BENEATH], fill="black", font=font)
        return
    lines = [
        row.label[start : start + MOST_LETTERS] for start in range(0, len(row.label), MOST_LETTERS)
    ]
    draw.multiline_text((GAP, top), "\n".join(lines[:7]), fill="black", font=font)


def _tile(picture: Picture) -> Image.Image:
    image = Image.fromarray(picture)
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    square = image.crop((left, top, left + edge, top + edge))
    return square.resize((TILE, TILE), Image.Resampling.LANCZOS)
