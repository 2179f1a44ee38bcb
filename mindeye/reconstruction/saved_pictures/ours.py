"""Our own folders as stored pictures: of `mindeye reconstruct`, of `mindeye prepare`, NSD trees."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from mindeye import nsd_layout as layout
from mindeye.data.batches import PreparedSubject
from mindeye.data.design import read_design
from mindeye.data.nsd import NSDTree
from mindeye.data.test_sets import KnownTests, known_from_design, known_from_prepared
from mindeye.files import read_json
from mindeye.reconstruction.picture_folder import ARRAYS, BLENDED, chosen_rows
from mindeye.reconstruction.saved_pictures.arrays import open_hdf5
from mindeye.reconstruction.saved_pictures.stored import Block, Rows, StoredPictures


def open_reconstructions(folder: Path) -> StoredPictures:
    """A finished folder of `mindeye reconstruct`; its candidates stay on the disk.

    Raises:
        FileNotFoundError: no manifest.json there.
        ValueError: a damaged file.
    """
    path = folder / ARRAYS
    if not (folder / "manifest.json").is_file():
        raise FileNotFoundError(
            f"{folder / 'manifest.json'} is missing: nothing says whose pictures these are. "
            "Draw the folder again with `mindeye reconstruct`."
        )
    about: Mapping[str, Any] = read_json(folder / "manifest.json")["about"]
    try:
        with safe_open(path, "numpy") as file:
            names = set(file.keys())
            known = names & {"image_ids", "scores", "chosen"}
            small = {name: file.get_tensor(name) for name in known}
            name = BLENDED if BLENDED in names else "candidates"
            shape = file.get_slice(name).get_shape()
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}). Draw the folder again.") from error
    image_ids, chosen = small["image_ids"], chosen_rows(small)
    return StoredPictures(
        path=folder,
        form="folder of mindeye reconstruct",
        count=len(image_ids),
        image_ids=image_ids.astype(np.int64),
        size=tuple(shape[-3:-1]),
        read=partial(_read_chosen, path, name, chosen),
        files=(path,),
        simulated=about["simulated"],
        about=about,
    )


def open_prepared(folder: Path) -> StoredPictures:
    """All pictures of a folder of `mindeye prepare`, with the splits that it knows.

    Raises:
        ValueError: damaged, or of another schema.
    """
    prepared = PreparedSubject(folder)
    return StoredPictures(
        path=folder,
        form="folder of mindeye prepare",
        count=len(prepared.image_ids),
        image_ids=prepared.image_ids.astype(np.int64),
        size=prepared.images.shape[1:3],
        read=partial(_read_mapped, folder / "images.npy"),
        files=(folder / "image_ids.npy", folder / "images.npy"),
        simulated=prepared.manifest["simulated"],
        tests=partial(known_from_prepared, prepared),
        about={"subject": prepared.subject},
    )


def open_nsd_pictures(path: Path, root: Path, subject: int | None) -> StoredPictures:
    """All pictures of an NSD tree."""
    has_design = (root / layout.expdesign_path()).exists()
    return replace(
        open_hdf5(path),
        simulated=NSDTree(root).simulated(),
        tests=partial(known_from_tree, root, subject) if has_design else None,
    )


def known_tests(path: Path, subject: int | None) -> KnownTests:
    """What a prepared folder or an NSD tree tells of test and training images.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: a prepared folder of another subject.
    """
    if is_prepared(path):
        prepared = PreparedSubject(path)
        if subject not in (None, prepared.subject):
            raise ValueError(
                f"{path} is of subject {prepared.subject}, but --subject {subject} is asked for. "
                "Leave one of them out."
            )
        return known_from_prepared(prepared)
    return known_from_tree(NSDTree(path).root, subject)


def known_from_tree(root: Path, subject: int | None) -> KnownTests:
    """What the design of an NSD tree tells.

    Raises:
        FileNotFoundError: no design.
        LookupError: NSD has no such subject.
        ValueError: a damaged design.
    """
    number = 1 if subject is None else subject
    layout.subject_name(number)
    path = root / layout.expdesign_path()
    return known_from_design(str(path), read_design(path, number), subject)


def is_reconstructions(folder: Path) -> bool:
    """Whether a folder is a finished one of `mindeye reconstruct`."""
    return (folder / ARRAYS).is_file()


def is_prepared(folder: Path) -> bool:
    """Whether a folder is one of `mindeye prepare`."""
    return (folder / "manifest.json").is_file() and (folder / "image_ids.npy").is_file()


def tree_of(stimuli: Path) -> Path | None:
    """The NSD tree that a file of pictures lies in, at its place."""
    depth = len(layout.stimuli_path().parts)
    root = stimuli.resolve().parents[depth - 1] if len(stimuli.resolve().parents) >= depth else None
    is_inside = root is not None and root / layout.stimuli_path() == stimuli.resolve()
    return root if is_inside and (root / "nsddata").is_dir() else None


def _read_chosen(path: Path, name: str, chosen: Rows, rows: Rows) -> Block:
    with safe_open(path, "numpy") as file:
        part = file.get_slice(name)
        if name == BLENDED:
            return np.stack([part[row] for row in rows.tolist()])
        places = zip(rows.tolist(), chosen[rows].tolist(), strict=True)
        return np.stack([part[row, candidate] for row, candidate in places])


def _read_mapped(path: Path, rows: Rows) -> Block:
    """Mapped anew for every block: pages that were read would else stay in memory."""
    return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[rows])
