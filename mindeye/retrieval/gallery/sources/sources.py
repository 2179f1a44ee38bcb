"""What a gallery can be built from, and its division into shards: the units of work.

| form | what lies in the folder | one shard |
|---|---|---|
| `folder` | pictures at any depth; beside `a.jpg` perhaps `a.txt` and `a.json` | 10,000 pictures |
| `webdataset` | tars of samples: `KEY.jpg`, `KEY.txt`, `KEY.json` | one tar |
| `img2dataset` | the same, and for each tar a parquet file of the same name | one tar |
| `laion` | `img_emb/img_emb_N.npy`, `metadata/metadata_N.parquet` (clip-retrieval) | one .npy |
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
FORMS = ("folder", "webdataset", "img2dataset", "laion")
PICTURES_PER_SHARD = 10_000


@dataclass(frozen=True, kw_only=True)
class SourceShard:
    """One unit of work."""

    name: str
    files: tuple[str, ...]
    """Relative to the source: the pictures of a folder, or one tar, or one .npy file."""
    num_bytes: int
    metadata: str | None = None
    """Parquet file, one row a sample."""
    metadata_bytes: int = 0

    @property
    def listing(self) -> str:
        """SHA-256 of names and sizes: whether the shard is still the same."""
        line = (self.name, *self.files, self.metadata, self.num_bytes)
        if self.metadata is not None:
            line = (*line, self.metadata_bytes)
        return hashlib.sha256(f"{line}".encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class GallerySource:
    """Everything that a gallery is built from."""

    root: Path
    form: str
    shards: tuple[SourceShard, ...]

    @property
    def num_bytes(self) -> int:
        """Of all pictures, tars or embeddings."""
        return sum(shard.num_bytes for shard in self.shards)

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures to embed, not only their embeddings."""
        return self.form != "laion"

    @property
    def listing(self) -> str:
        """SHA-256 of all names and sizes: whether the source is still the same."""
        lines = "".join(shard.listing for shard in self.shards)
        return hashlib.sha256(lines.encode()).hexdigest()


def open_source(
    root: Path, form: str | None = None, pictures_per_shard: int = PICTURES_PER_SHARD
) -> GallerySource:
    """Lists a source; reads no picture and no vector.

    Args:
        form: a member of `FORMS`; None recognises it.

    Raises:
        FileNotFoundError: nothing there.
        LookupError: unknown form.
        ValueError: nothing of that form, or several forms at once.
    """
    if not root.exists():
        raise FileNotFoundError(
            f"{root} does not exist. Give a folder of pictures, tars or shards."
        )
    if form is not None and form not in FORMS:
        raise LookupError(f"Unknown form of source `{form}`. Choose one of {', '.join(FORMS)}.")
    root, names = _listed(root.resolve())
    form = form or _recognised(root, names)
    shards = {
        "folder": lambda: _folder_shards(root, names, pictures_per_shard),
        "webdataset": lambda: _tar_shards(root, names, parquets=False),
        "img2dataset": lambda: _tar_shards(root, names, parquets=True),
        "laion": lambda: _laion_shards(root, names),
    }[form]()
    if not shards:
        raise ValueError(f"{root} holds nothing of the form `{form}`. Is it the right folder?")
    return GallerySource(root=root, form=form, shards=tuple(shards))


def _listed(root: Path) -> tuple[Path, list[str]]:
    """The folder, and all files under it but hidden ones; of a file, its folder and that file."""
    if root.is_file():
        return root.parent, [root.name]
    names = []
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        where = Path(folder).relative_to(root)
        names += [(where / name).as_posix() for name in files if not name.startswith(".")]
    return root, sorted(names)


def _recognised(root: Path, names: list[str]) -> str:
    tars = {name.removesuffix(".tar") for name in names if name.endswith(".tar")}
    parquets = {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}
    found = {
        "laion": any(_EMBEDDINGS.fullmatch(name) for name in names),
        "img2dataset": bool(tars & parquets),
        "webdataset": bool(tars - parquets) and not tars & parquets,
        "folder": any(_is_picture(name) for name in names),
    }
    forms = [form for form, is_there in found.items() if is_there]
    if not forms:
        raise ValueError(
            f"{root} holds no picture, no tar and no img_emb/img_emb_N.npy ({len(names)} files). "
            "Is it the right folder?"
        )
    if len(forms) > 1:
        raise ValueError(
            f"{root} could be a source of several forms: {', '.join(forms)}. "
            "Say with --form which one is meant."
        )
    return forms[0]


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def _folder_shards(root: Path, names: list[str], size: int) -> list[SourceShard]:
    pictures = [name for name in names if _is_picture(name)]
    return [
        SourceShard(
            name=root.name,
            files=tuple(pictures[start : start + size]),
            num_bytes=sum((root / one).stat().st_size for one in pictures[start : start + size]),
        )
        for start in range(0, len(pictures), size)
    ]


def _tar_shards(root: Path, names: list[str], *, parquets: bool) -> list[SourceShard]:
    there, shards = set(names), []
    for name in names:
        if not name.endswith(".tar"):
            continue
        beside = f"{name.removesuffix('.tar')}.parquet"
        if parquets and beside not in there:
            raise ValueError(
                f"{root / name} has no {Path(beside).name} beside it. Was img2dataset stopped? "
                "Run it to the end, or read the tars alone with --form webdataset."
            )
        shards.append(
            SourceShard(
                name=Path(name).stem,
                files=(name,),
                num_bytes=(root / name).stat().st_size,
                metadata=beside if parquets else None,
                metadata_bytes=(root / beside).stat().st_size if parquets else 0,
            )
        )
    return shards


_EMBEDDINGS = re.compile(r"(?:.*/)?img_emb_(\d+)\.npy")
_METADATA = re.compile(r"(?:.*/)?metadata_(\d+)\.parquet")


def _laion_shards(root: Path, names: list[str]) -> list[SourceShard]:
    embeddings = _numbered(root, names, _EMBEDDINGS)
    metadata = _numbered(root, names, _METADATA)
    size_of = {number: (root / name).stat().st_size for number, name in metadata.items()}
    return [
        SourceShard(
            name=Path(name).stem,
            files=(name,),
            num_bytes=(root / name).stat().st_size,
            metadata=metadata.get(number),
            metadata_bytes=size_of.get(number, 0),
        )
        for number, name in sorted(embeddings.items())
    ]


def _numbered(root: Path, names: list[str], pattern: re.Pattern) -> dict[int, str]:
    found: dict[int, str] = {}
    for name in names:
        told = pattern.fullmatch(name)
        if told is None:
            continue
        number = int(told[1])
        if number in found:
            raise ValueError(
                f"{root} holds both {found[number]} and {name}. Give the folder of one of them."
            )
        found[number] = name
    return found
