"""A published `.pt` file: a tensor of pictures, read without running what a pickle may hold."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from mindeye.models.checkpoint.saved_by_torch import read_saved
from mindeye.models.checkpoint.stored_tensor import StoredTensor
from mindeye.reconstruction.saved_pictures.stored import (
    Block,
    Rows,
    StoredPictures,
    channels_last,
    require_channels,
)

IMAGES, IDS = "images", "image_ids"


def open_tensor_file(path: Path) -> StoredPictures:
    """A tensor (images, 3, height, width), or a dictionary of `images` and `image_ids`.

    MindEye2's `*_all_recons.pt` and `all_images.pt` are bare tensors, which tell no ids.

    Raises:
        LookupError: a dictionary without `images`.
        ValueError: cut off, something else than tensors, or no stack of pictures.
    """
    content = read_saved(path)
    image_ids = None
    if isinstance(content, dict):
        content, image_ids = _of_dictionary(path, content)
    if not isinstance(content, StoredTensor):
        raise ValueError(
            f"{path} holds {type(content).__name__}, not a tensor of pictures. "
            "Save a tensor (images, 3, height, width)."
        )
    axis, channels, height, width = require_channels(path, content.shape)
    grey = ("All pictures are grey, and every channel of RGB became that grey.",)
    return StoredPictures(
        path=path,
        form=".pt tensor",
        count=content.shape[0],
        image_ids=image_ids,
        size=(height, width),
        read=partial(_read, content, axis),
        files=(path,),
        notes=grey if channels == 1 else (),
    )


def open_ids_tensor(path: Path) -> Int[np.ndarray, "images"]:
    """A file that holds a list of ids.

    Raises:
        ValueError: something else.
    """
    return _whole_numbers(path, read_saved(path))


def _of_dictionary(
    path: Path, content: Mapping[str, Any]
) -> tuple[Any, Int[np.ndarray, "images"] | None]:
    if IMAGES not in content:
        raise LookupError(
            f"{path} holds {', '.join(map(str, list(content)[:5])) or 'nothing'}, but the pictures "
            f"are looked for as `{IMAGES}` and their ids as `{IDS}`. Save them under these names."
        )
    images = content[IMAGES]
    if IDS not in content or not isinstance(images, StoredTensor):
        return images, None
    return images, _whole_numbers(path, content[IDS])


def _whole_numbers(path: Path, stored: Any) -> Int[np.ndarray, "images"]:
    if isinstance(stored, StoredTensor) and len(stored.shape) == 1 and stored.span:
        values = stored.load().clone()
        if torch.equal(values.long().to(values.dtype), values):
            return values.long().numpy()
    raise ValueError(f"{path} holds no list of whole image ids. Save the 73k ids.")


def _read(stored: StoredTensor, axis: int | None, rows: Rows) -> Block:
    """Each picture is mapped by itself: pages of a whole tensor would stay in memory."""
    pictures = [
        replace(
            stored,
            offset=stored.offset + row * stored.strides[0],
            shape=stored.shape[1:],
            strides=stored.strides[1:],
        )
        .load()
        .clone()
        for row in rows.tolist()
    ]
    block = torch.stack(pictures)
    # NumPy has no bfloat16.
    block = block.float() if block.dtype == torch.bfloat16 else block
    return channels_last(block.numpy(), axis)
