"""Opens pictures of any form, told by what is there and by the ending of the name."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindeye import nsd_layout as layout
from mindeye.files import fingerprint_of, read_json, sha256_of
from mindeye.reconstruction.picture_folder import require_whole_folder
from mindeye.reconstruction.saved_pictures import ours
from mindeye.reconstruction.saved_pictures.arrays import open_hdf5, open_npy, open_npz
from mindeye.reconstruction.saved_pictures.picture_files import open_picture_files
from mindeye.reconstruction.saved_pictures.stored import StoredPictures
from mindeye.reconstruction.saved_pictures.tensor_file import open_tensor_file

_READERS = {
    ".pt": open_tensor_file,
    ".pth": open_tensor_file,
    ".npz": open_npz,
    ".npy": open_npy,
    ".h5": open_hdf5,
    ".hdf5": open_hdf5,
}
FORMS = (
    "a folder of `mindeye reconstruct` or `mindeye prepare`, an NSD tree, a folder of PNG or JPEG "
    "files named by image id, .pt, .npz, .npy or .hdf5"
)
# Larger files are known by samples of their bytes: 40 GB of pictures take minutes to read.
LARGEST_HASHED = 4_000_000_000


def open_pictures(path: Path, *, subject: int | None = None) -> StoredPictures:
    """Pictures of any form.

    Args:
        subject: whose design tells test from training images, where this is an NSD tree.

    Raises:
        FileNotFoundError: nothing there, or a folder without pictures.
        LookupError: an unknown form.
        ValueError: damaged, or pictures without one meaning.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Give {FORMS}.")
    if path.is_file():
        return _of_file(path, subject)
    require_whole_folder(path)
    if ours.is_reconstructions(path):
        return ours.open_reconstructions(path)
    if ours.is_prepared(path):
        return ours.open_prepared(path)
    if (path / "nsddata").is_dir() or (path / layout.stimuli_path()).is_file():
        return _of_file(path / layout.stimuli_path(), subject)
    return replace(open_picture_files(path), simulated=_simulated_beside(path))


def record_of(stored: StoredPictures) -> dict[str, Any]:
    """Where pictures were found, and what tells them from others: for provenance."""
    height, width = stored.size
    return {
        "path": str(stored.path.resolve()),
        "form": stored.form,
        "pictures": stored.count,
        "width": width,
        "height": height,
        "sha256": checksum_of(stored),
    }


def checksum_of(stored: StoredPictures) -> str:
    """SHA-256 of what was opened: of the file, or of the names and checksums of several.

    Files above 4 GB are told by their size and samples, which the word `samples` in front says.
    """
    sums = [(path.name, _checksum(path)) for path in stored.files]
    if len(sums) == 1:
        return sums[0][1]
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums)
    return hashlib.sha256(lines.encode()).hexdigest()


def _of_file(path: Path, subject: int | None) -> StoredPictures:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    root = ours.tree_of(path)
    if root is not None:
        return ours.open_nsd_pictures(path, root, subject)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise LookupError(f"{path} has no form that can be read as pictures. Give {FORMS}.")
    return replace(reader(path), simulated=_simulated_beside(path.parent))


def _simulated_beside(folder: Path) -> Mapping[str, Any] | None:
    """What SIMULATED.json in the folder of pictures says, as at the root of simulated trees."""
    path = folder / layout.SIMULATED_FILE
    return read_json(path) if path.is_file() else None


def _checksum(path: Path) -> str:
    if path.stat().st_size > LARGEST_HASHED:
        return f"samples {fingerprint_of(path)}"
    return sha256_of(path)
