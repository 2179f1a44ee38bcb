"""Which image each picture is of: from the file itself, from a list, or by the user's word."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mindeye.data.test_sets import KnownTests
from mindeye.reconstruction.saved_pictures.checked import require_unique_ids
from mindeye.reconstruction.saved_pictures.stored import StoredPictures
from mindeye.reconstruction.saved_pictures.tensor_file import open_ids_tensor

ImageIds = Int[np.ndarray, "images"]
COLUMN = "image_id"


def ids_of(
    stored: StoredPictures,
    *,
    ids_file: Path | None,
    order: str | None,
    known: KnownTests | None,
    option: str,
) -> ImageIds:
    """The image id of every stored picture, each once.

    Args:
        ids_file: a list of ids in the order of the pictures, where the pictures tell none.
        order: a protocol; the user's word that the pictures are all of its test images in
            ascending order, as MindEye2 saves them.
        option: how `ids_file` can be given, for messages.

    Raises:
        LookupError: nothing tells the test images of `order`.
        ValueError: no ids, two sources of ids, another count, or an id that stands twice.
    """
    if stored.image_ids is not None:
        if ids_file is not None:
            raise ValueError(
                f"{stored.path} ({stored.form}) tells its ids itself, and {option} {ids_file} was "
                f"given too. Leave {option} out."
            )
        found, source = stored.image_ids, str(stored.path)
    elif ids_file is not None:
        found, source = read_ids(ids_file), str(ids_file)
    elif order is not None:
        found, source = _ids_of_order(order, known), f"the test of {order}"
    else:
        raise ValueError(
            f"{stored.path} ({stored.form}) tells no image ids, and pictures are not matched by "
            f"position. Pass {option} FILE; or --order nsd-40-new_test if they are all test images "
            "of that protocol in ascending 73k id, as MindEye2 saves them."
        )
    if len(found) != stored.count:
        raise ValueError(
            f"{stored.path} holds {stored.count} pictures, but {source} has {len(found)} ids. "
            "Give the ids of these pictures."
        )
    require_unique_ids(source, found)
    return found


def read_ids(path: Path) -> ImageIds:
    """Ids from npy, pt, json or text; a mask of all images, as MindEye2's shared1000.npy, too.

    Text has one id a line, or a column `image_id` under that name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: something else than whole numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Give a file of image ids.")
    if path.suffix in (".pt", ".pth"):
        return open_ids_tensor(path)
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix == ".json":
            values = np.array(json.loads(path.read_text(encoding="utf-8")))
        else:
            values = np.array(_words(path), dtype=np.int64)
    except (ValueError, OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} holds no image ids ({error}). Save one id a line.") from error
    if values.dtype == bool:
        values = np.flatnonzero(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iu":
        raise ValueError(
            f"{path} holds {values.dtype} of shape {values.shape}, not a list of whole image ids. "
            "Save the 73k ids."
        )
    return values.astype(np.int64)


def matched(
    image_ids: ImageIds, shown: Int[np.ndarray, "_shown"], where: tuple[Path, Path]
) -> Int[np.ndarray, "images"]:
    """For every reconstruction, where its shown image stands.

    Args:
        where: reconstructions and shown images, for messages.

    Raises:
        LookupError: a reconstruction of an image that was not shown.
    """
    ascending = np.argsort(shown)
    place = np.searchsorted(shown, image_ids, sorter=ascending).clip(max=len(shown) - 1)
    rows = ascending[place]
    unknown = image_ids[shown[rows] != image_ids]
    if len(unknown):
        shifted = np.isin(image_ids - 1, shown).all()
        guess = "Do they count from 1? NSD's 73k ids count from 0 here." if shifted else (
            "Are both of one data set, with NSD's 73k ids?"
        )  # fmt: skip
        raise LookupError(
            f"{where[0]} has {len(unknown)} of {len(image_ids)} images that {where[1]} does not "
            f"hold, first ids {unknown[:5].tolist()}. {guess}"
        )
    return rows


def _ids_of_order(order: str, known: KnownTests | None) -> ImageIds:
    if known is None or order not in known.tests:
        tells = "nothing was given that" if known is None else f"{known.where} does not"
        raise LookupError(
            f"--order {order} needs the test images of that protocol, and {tells} tell them. Pass "
            "--data with an NSD tree or a folder of `mindeye prepare`, or a list of ids."
        )
    return known.tests[order]


def _words(path: Path) -> list[str]:
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    cells = [line.replace(",", "\t").split("\t") for line in lines if not line.startswith("#")]
    column = 0
    if cells and COLUMN in cells[0]:
        column = cells.pop(0).index(COLUMN)
    elif any(len(row) > 1 for row in cells):
        raise ValueError(f"it has several columns, none called `{COLUMN}`")
    return [row[column].strip() for row in cells]
