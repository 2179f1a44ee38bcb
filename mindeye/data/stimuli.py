"""NSD's pictures, some at a time: all of them take 40 GB."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int, UInt8

_IMAGES_PER_BLOCK = 64


def picture_shape(path: Path) -> tuple[int, ...]:
    """(side, side, 3) of the pictures.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or another layout.
    """
    with _pictures(path) as pictures:
        return pictures.shape[1:]


def image_blocks(
    path: Path, image_ids: Int[np.ndarray, "images"]
) -> Iterator[UInt8[np.ndarray, "images side side 3"]]:
    """The pictures of ascending image ids, block by block.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or a picture that was never written.
    """
    with _pictures(path) as pictures:
        last = int(image_ids.max())
        if last >= len(pictures):
            raise ValueError(
                f"{path} has {len(pictures)} pictures, but image id {last} was shown. "
                "Was the file cut, or does it belong to another tree?"
            )
        for start in range(0, len(image_ids), _IMAGES_PER_BLOCK):
            chosen = image_ids[start : start + _IMAGES_PER_BLOCK]
            # Row by row: h5py's list selection took 60 times longer (500 pictures of 64 x 64).
            block = np.stack([pictures[image_id] for image_id in chosen.tolist()])
            blank = chosen[~block.any(axis=(1, 2, 3))]
            if len(blank):
                raise ValueError(
                    f"{path} has nothing at image ids {blank[:5].tolist()}. "
                    "Was the file written to its end?"
                )
            yield block


def num_synthetic_pictures(path: Path) -> int:
    """Pictures in one of the files of nsdsynthetic.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or another layout.
    """
    with _pictures(path, None) as pictures:
        return len(pictures)


def synthetic_pictures(
    paths: tuple[Path, Path], image_numbers: Int[np.ndarray, "images"]
) -> UInt8[np.ndarray, "images height width 3"]:
    """Pictures of nsdsynthetic by their numbers from 0; `paths`: the shared and the colour ones.

    They are whole screens, larger than NSD's squares: rescale them before embedding.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or a number beyond the pictures.
    """
    with _pictures(paths[0], None) as shared, _pictures(paths[1], None) as colour:
        last = len(shared) + len(colour) - 1
        if len(image_numbers) and not 0 <= image_numbers.min() <= image_numbers.max() <= last:
            raise ValueError(
                f"{paths[0].name} and {paths[1].name} hold pictures 0 to {last}, but "
                f"{image_numbers.min()} to {image_numbers.max()} are asked for. Numbers count "
                "from 0."
            )
        return np.stack(
            [
                shared[number] if number < len(shared) else colour[number - len(shared)]
                for number in image_numbers.tolist()
            ]
        )


@contextlib.contextmanager
def _pictures(path: Path, name: str | None = "imgBrick") -> Iterator[h5py.Dataset]:
    """The data set of pictures (None: the first, whatever its name), if it can be NSD's."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    try:
        with h5py.File(path, "r") as file:
            found = next(iter(file), "imgBrick") if name is None else name
            if found not in file:
                raise KeyError(f"it has {list(file)} and no data set `{found}`")
            pictures = file[found]
            if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
                raise ValueError(
                    f"{path}: {found} is {pictures.dtype} {pictures.shape}, not uint8 (images, "
                    "side, side, 3). Was it written again by another program?"
                )
            yield pictures
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error
