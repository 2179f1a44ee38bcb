"""Pictures for the report: checks, PNG bytes, and a contact sheet."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

# 8-bit RGB; dtype, shape and count are checked with a sentence that says what to do.
Pictures = Shaped[np.ndarray, "..."]

# Pictures on the page are shown at most this large; larger ones are reduced.
PAGE_SIDE = 256
GAP = 4
LABEL_SIZE = 14
# Of what stands under a column of a contact sheet.
TEXT_LINES = 4


@dataclass(frozen=True, kw_only=True)
class PictureGrid:
    """Test images with what was decoded from their scans."""

    title: str
    chosen: str
    """How these images were chosen, as a sentence: `12 of 100 test images, drawn at random.`"""
    seed: int | None
    """Seed of that draw; None where all test images are shown."""
    image_ids: Int[np.ndarray, "images"]
    captions: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    """Words about pictures that are not to be trusted; empty for the others."""
    columns: Mapping[str, Pictures] = field(default_factory=dict)
    """Label (shown, blurry, reconstruction ...) -> pictures, in order from left to right."""
    retrieved: UInt8[np.ndarray, "images found height width 3"] | None = None
    """The most similar images of the test set or gallery, best first."""
    retrieved_ids: Int[np.ndarray, "images found"] | None = None

    def __post_init__(self) -> None:
        expected = len(self.image_ids)
        counts = {label: len(pictures) for label, pictures in self.columns.items()}
        if self.captions:
            counts["captions"] = len(self.captions)
        if self.marks:
            counts["marks"] = len(self.marks)
        for label, values in (
            ("retrieved", self.retrieved),
            ("found ids", self.retrieved_ids),
        ):
            if values is not None:
                counts[label] = len(values)
        wrong = {label: count for label, count in counts.items() if count != expected}
        if wrong:
            raise ValueError(
                f"The grid `{self.title}` has {expected} image ids, but {wrong}. "
                "Give every column the same images in the same order."
            )
        for label, pictures in self.columns.items():
            require_pictures(label, pictures)


def require_pictures(label: str, pictures: np.ndarray) -> None:
    """Refuses what is not a stack of 8-bit RGB pictures.

    Raises:
        ValueError: names label, dtype and shape.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(
            f"Pictures `{label}` are {pictures.dtype} of shape {pictures.shape}, not uint8 "
            "(images, height, width, 3). Multiply [0, 1] by 255, round, and put channels last."
        )


def contact_sheet(
    rows: Mapping[str, Pictures],
    note: str = "",
    *,
    above: Sequence[str] = (),
    below: Sequence[str] = (),
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """One picture: a labelled line for each entry, image i of all lines in one column.

    Lines may hold pictures of different sizes; all are shown at the size of the first line.

    Args:
        note: stands under the pictures.
        above: a word over each column.
        below: a text under each column; what does not fit into `TEXT_LINES` lines is cut off.

    Raises:
        ValueError: no line, other counts, or not 8-bit RGB.
    """
    if not rows:
        raise ValueError("A contact sheet needs at least one line of pictures. Pass `rows`.")
    for label, pictures in rows.items():
        require_pictures(label, pictures)
    counts = {label: len(pictures) for label, pictures in rows.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"Lines hold different numbers of pictures: {counts}. Align them by id.")
    first = next(iter(rows.values()))
    count, height, width = first.shape[:3]
    font = ImageFont.load_default(LABEL_SIZE)
    margin = GAP * 2 + int(max(font.getlength(label) for label in rows))
    texts = [_wrapped(text, width, font) for text in below]
    head = LABEL_SIZE + 2 * GAP if any(above) else 0
    foot = max([len(lines) for lines in texts], default=0) * (LABEL_SIZE + GAP)
    wide, high = margin + count * (width + GAP), head + GAP + len(rows) * (height + GAP)
    if note:
        wide = max(wide, 2 * GAP + int(font.getlength(note)))
    tall = high + foot + (LABEL_SIZE + 2 * GAP if note else 0)
    sheet = Image.new("RGB", (wide, tall), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, high + foot), note, fill="black", font=font)
    for column, word in enumerate(above):
        draw.text((margin + column * (width + GAP), GAP), word, fill="black", font=font)
    for column, lines in enumerate(texts):
        for line, text in enumerate(lines):
            place = (margin + column * (width + GAP), high + line * (LABEL_SIZE + GAP))
            draw.text(place, text, fill="black", font=font)
    for line, (label, pictures) in enumerate(rows.items()):
        top = head + GAP + line * (height + GAP)
        draw.text((GAP, top + height // 2), label, fill="black", font=font, anchor="lm")
        for column, picture in enumerate(pictures):
            tile = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(tile, (margin + column * (width + GAP), top))
    return np.asarray(sheet)


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """A text in lines that are no wider than a picture, as far as its words allow."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines[:TEXT_LINES]


def png_address(picture: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture as a `data:` address, reduced to `PAGE_SIDE` where it is larger."""
    image = Image.fromarray(picture)
    image.thumbnail((PAGE_SIDE, PAGE_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return data_address(buffer.getvalue())


def data_address(png: bytes) -> str:
    """PNG bytes as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
