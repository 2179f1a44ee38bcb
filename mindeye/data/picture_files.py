"""Pictures that a user has from their owners: found by name below a folder, read one by one."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, UnidentifiedImageError

PICTURE_SIDE = 224
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def find_pictures(folder: Path, name_of: Mapping[int, str]) -> dict[int, Path]:
    """Image id -> its file, anywhere below a folder.

    A name is a path below the folder, a file name, or either without its extension; a name of
    something else than a picture (a film's `.mp4`) is looked for with the extensions of pictures.

    Raises:
        FileNotFoundError: no such folder, or pictures that are not there.
        ValueError: two files answer to one name.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is no folder. Name the one that holds the pictures, which their owners give."
        )
    places: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in EXTENSIONS:
            below = Path("/") / path.relative_to(folder)
            for known in (*_spellings(below), path.name, path.stem):
                places.setdefault(known, []).append(path)
    found = {image_id: _places_of(name, places) for image_id, name in name_of.items()}
    absent = [name_of[image_id] for image_id, paths in found.items() if not paths]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of {len(found)} pictures are missing: {absent[0]} was looked for in "
            f"{folder} and all folders below, also as {Path(absent[0]).stem}.jpg, .png and so on. "
            "Ask the owners of the pictures for it."
        )
    for image_id, paths in found.items():
        if len(paths) > 1:
            raise ValueError(
                f"{paths[0]} and {paths[1]} both answer to {name_of[image_id]}. Which one was "
                "shown? Leave the other out of the folder."
            )
    return {image_id: paths[0] for image_id, paths in found.items()}


def _places_of(name: str, places: Mapping[str, list[Path]]) -> list[Path]:
    """The closest meaning that anything answers to."""
    path = Path(name)
    for known in (*_spellings(Path("/") / path), path.name, path.stem):
        if known in places:
            return places[known]
    return []


def _spellings(path: Path) -> tuple[str, str]:
    """With a slash in front a path is told from a file name."""
    return path.as_posix(), path.with_suffix("").as_posix()


def square_pictures(
    path_of: Mapping[int, Path], image_ids: Int[np.ndarray, "images"], side: int
) -> Iterator[tuple[int, UInt8[np.ndarray, "side side 3"]]]:
    """The middle square of each picture at one size, with its row among `image_ids`.

    Raises:
        ValueError: a file that is no picture.
    """
    for row, image_id in enumerate(image_ids.tolist()):
        yield row, square_picture(path_of[image_id], side)


def square_picture(
    path: Path, side: int, *, content: bytes | None = None, behind: float | None = None
) -> UInt8[np.ndarray, "side side 3"]:
    """The middle square of a picture, resized with a bicubic filter that averages when shrinking.

    Args:
        content: of the picture where it is no file of its own; `path` then says where it is from.
        behind: gray from 0 to 255 on which a picture with an alpha channel was shown; None leaves
            the channel out.

    Raises:
        ValueError: no picture.
    """
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as picture:
            rgb = picture.convert("RGB") if behind is None else _on_gray(picture, behind)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Fetch the picture again.") from error
    short = min(rgb.size)
    left, top = (rgb.width - short) // 2, (rgb.height - short) // 2
    square = rgb.crop((left, top, left + short, top + short))
    return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))


def _on_gray(picture: Image.Image, gray: float) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    values = np.asarray(picture.convert("RGBA"), dtype=np.float32)
    alpha = values[..., 3:] / 255
    return Image.fromarray(np.rint(values[..., :3] * alpha + gray * (1 - alpha)).astype(np.uint8))
