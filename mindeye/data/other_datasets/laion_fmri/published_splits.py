"""The published divisions into training and test, by the names of images."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from mindeye import laion_layout as layout
from mindeye.data.other_datasets.laion_fmri.trials import require_own_or_shared
from mindeye.files import read_json


class PublishedSplit(NamedTuple):
    """Names of images; those of neither part are in no split."""

    name: str
    train: frozenset[str]
    test: frozenset[str]
    path: Path


def read_split(root: Path, wanted: str, subject: int) -> PublishedSplit:
    """A split by `NAME` (of the subject's own pool), `POOL/NAME`, or a path that ends in .json.

    Looked for in ROOT/splits, a copy of the package's `laion_fmri/splits/data`, then in the
    package where it is installed.

    Raises:
        FileNotFoundError: nowhere to be found.
        LookupError: no such name.
        ValueError: a damaged file, an image in both parts, or names that this subject cannot have.
    """
    path = Path(wanted) if wanted.endswith(".json") else _find(root, wanted, subject)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Give the path of a split file.")
    content = read_json(path)
    try:
        (variant,) = content["variants"]
        train, test = variant["train_ids"], variant["test_ids"]
        names = [*train, *test]
        if not names or not all(isinstance(name, str) for name in names):
            raise TypeError("names of images are missing")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no split file of LAION-fMRI: one variant with train_ids and test_ids is "
            f"needed ({type(error).__name__}: {error}). Copy it from the package again."
        ) from error
    for name in names:
        require_own_or_shared(name, subject, str(path))
    both = sorted(set(train) & set(test))
    if both:
        raise ValueError(
            f"{path}: {len(both)} images stand in train and in test, first {both[:5]}. "
            "Split by image, never by trial."
        )
    return PublishedSplit(_name_of(wanted, subject), frozenset(train), frozenset(test), path)


def _find(root: Path, wanted: str, subject: int) -> Path:
    pool, _, name = wanted.rpartition("/")
    pool = pool or layout.subject_name(subject)
    pools = (layout.subject_name(subject), layout.SHARED_POOL)
    if name not in layout.SPLITS or pool not in pools:
        raise LookupError(
            f"There is no published split `{wanted}`. Pick one of {', '.join(layout.SPLITS)}, with "
            f"{' or '.join(f'`{one}/`' for one in pools)} in front, or give a path to a .json file."
        )
    below = layout.split_path(pool, name)
    places = [root / "splits" / below]
    package = importlib.util.find_spec("laion_fmri")
    for folder in (package.submodule_search_locations or ()) if package else ():
        places.append(Path(folder) / "splits" / "data" / below)
    for path in places:
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{places[0]} is missing. Copy `laion_fmri/splits/data` of the package "
        f"ViCCo-Group/LAION-fMRI to {root / 'splits'}, or install the package."
    )


def _name_of(wanted: str, subject: int) -> str:
    if wanted.endswith(".json"):
        return Path(wanted).stem
    return wanted if "/" in wanted else f"{layout.subject_name(subject)}/{wanted}"
