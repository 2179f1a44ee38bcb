"""The image id in the name of a picture's file, by one stated rule."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

RULE = (
    "A name is the image id (NSD's 73k id, counted from 0), perhaps after `nsd`, `image`, `img` or "
    "`id` and before `_` and words: nsd-01234.png, 000123.png, 1234_anything.png"
)
_NAME = re.compile(r"(?:(?:nsd|image|img|id)[-_]?)?(\d{1,9})(?:_(.*))?", re.IGNORECASE)


def image_ids_of(paths: Sequence[Path]) -> Int[np.ndarray, "images"]:
    """Ids of picture files, in their order.

    Raises:
        ValueError: a name without an id or with two numbers, or two files of one image.
    """
    found: dict[int, Path] = {}
    for path in paths:
        image_id = _image_id_of(path)
        if image_id in found:
            raise ValueError(
                f"{found[image_id].name} and {path.name} in {path.parent} are both of image "
                f"{image_id}. Keep one picture an image."
            )
        found[image_id] = path
    return np.array(list(found), dtype=np.int64)


def _image_id_of(path: Path) -> int:
    matched = _NAME.fullmatch(path.stem)
    if matched is None:
        raise ValueError(f"{path} does not tell its image. {RULE}.")
    rest = matched[2] or ""
    second = next((part for part in re.split(r"[-_]", rest) if part.isdigit()), None)
    if second is not None:
        raise ValueError(
            f"{path} has two numbers, {matched[1]} and {second}: either may be the image id. "
            f"{RULE}."
        )
    return int(matched[1])
