"""A folder of decoded scans: parts while it is made, and what stands there in the end."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from mindeye.files import load_arrays, save_arrays
from mindeye.pictures import save_png
from mindeye.reconstruction.image_decoder import STAGES, ImageDecoder

PARTS = "parts"
PICTURES, BLURRY, NULL = "pictures", "blurry", "null"
TOKENS, EMBEDDINGS = "tokens.safetensors", "embeddings.safetensors"


def part_path(folder: Path, number: int) -> Path:
    """Where one decoded image is kept until the folder is finished."""
    return folder / PARTS / f"{number:06d}.safetensors"


def save_part(
    folder: Path, number: int, arrays: Mapping[str, np.ndarray], seconds: Mapping[str, float]
) -> None:
    """Keeps what was decoded of one image; its time per stage in the order of `STAGES`."""
    times = np.array([[seconds.get(stage, np.nan) for stage in STAGES]])
    save_arrays(part_path(folder, number), {**arrays, "seconds": times})


def decode_images(
    decoder: ImageDecoder,
    repeats_of: Mapping[int, Float32[np.ndarray, "repeats voxels"]],
    folder: Path,
    progress=None,
) -> dict[str, np.ndarray]:
    """Decodes images that have no part yet, and joins all parts, in the order of `repeats_of`."""
    for done, (number, betas) in enumerate(repeats_of.items()):
        if not part_path(folder, number).exists():
            decoded = decoder.decode(betas, number)
            save_part(folder, number, decoded.arrays, decoded.seconds)
        if progress:
            progress(done + 1, len(repeats_of))
    return joined_parts(folder, list(repeats_of))


def joined_parts(folder: Path, numbers: Sequence[int]) -> dict[str, np.ndarray]:
    """Arrays of some parts; the first axis is images in the order of `numbers`."""
    parts = [load_arrays(part_path(folder, number)) for number in numbers]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Tokens and embeddings with their image numbers, and pictures as PNG."""
    ids = {"image_ids": arrays["image_ids"]}
    kept = ("brain_tokens", "image_tokens", "latents")
    save_arrays(folder / TOKENS, ids | {name: arrays[name] for name in kept if name in arrays})
    save_arrays(folder / EMBEDDINGS, ids | {"embeddings": arrays["embeddings"]})
    write_pictures(folder, arrays)


def write_pictures(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """`pictures/00042.png` and `blurry/00042.png` of image 42, as far as there are any."""
    for name in (PICTURES, BLURRY):
        for number, picture in zip(arrays["image_ids"].tolist(), arrays.get(name, ())):
            save_png(picture, folder / name / picture_name(number))


def picture_name(number: int) -> str:
    """The file of one image."""
    return f"{number:05d}.png"


def drop_parts(folder: Path) -> None:
    """After all is written elsewhere."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
