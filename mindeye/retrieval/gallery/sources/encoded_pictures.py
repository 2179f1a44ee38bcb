"""Encoded pictures of a source, one after another: from files, and from within tars."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mindeye.retrieval.gallery.sources.sources import PICTURE_SUFFIXES, GallerySource, SourceShard

MAX_BYTES = 2**28
"""Larger files are not taken for pictures."""


@dataclass(kw_only=True)
class EncodedPicture:
    """A picture as the source has it."""

    key: str
    path: str
    """Of its file or tar, relative to the source."""
    offset: int | None
    """In the tar."""
    size: int
    content: bytes | None
    """None: still to be read from its file."""
    told: dict[str, Any] = field(default_factory=dict)
    """Caption and whatever else stands beside it."""


def encoded_pictures(source: GallerySource, shard: SourceShard) -> Iterator[EncodedPicture]:
    """The pictures of a shard in their order; one at a time is in memory.

    Raises:
        ValueError: the tar was cut off, or is none.
    """
    if source.form == "folder":
        for name in shard.files:
            yield _of_file(source.root, name)
    else:
        for picture in _of_tar(source.root, shard.files[0]):
            if picture.path:
                yield picture


def _of_file(root: Path, name: str) -> EncodedPicture:
    path = root / name
    told = _sidecar_json(path.with_suffix(".json").read_bytes()) if _beside(path, ".json") else {}
    if _beside(path, ".txt"):
        told["caption"] = _caption(path.with_suffix(".txt").read_bytes())
    key = Path(name).with_suffix("").as_posix()
    size = path.stat().st_size
    return EncodedPicture(key=key, path=name, offset=None, size=size, content=None, told=told)


def _beside(path: Path, suffix: str) -> bool:
    sidecar = path.with_suffix(suffix)
    return sidecar.is_file() and sidecar.stat().st_size <= MAX_BYTES


def _of_tar(root: Path, name: str) -> Iterator[EncodedPicture]:
    """Samples as webdataset groups them: neighbours with one name up to the first dot."""
    sample = EncodedPicture(key="", path="", offset=None, size=0, content=None)
    end = 0
    try:
        with tarfile.open(root / name, "r:") as tar:
            for member in tar:
                end = member.offset_data + -(-member.size // 512) * 512
                if not member.isfile():
                    continue
                key, _, suffix = _split(member.name)
                if key != sample.key:
                    yield sample
                    sample = EncodedPicture(key=key, path="", offset=None, size=0, content=None)
                _add(sample, tar, member, name, suffix)
        _require_end(root / name, end)
    except tarfile.TarError as error:
        raise _cut_off(root / name, str(error)) from error
    yield sample


def _add(
    sample: EncodedPicture, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, suffix: str
) -> None:
    is_picture = f".{suffix.rpartition('.')[2]}" in PICTURE_SUFFIXES and not sample.path
    if is_picture:
        sample.path, sample.offset, sample.size = name, member.offset_data, member.size
    if member.size > MAX_BYTES or not (is_picture or suffix in ("txt", "json")):
        return
    content = tar.extractfile(member).read()
    if is_picture:
        sample.content = content
    elif suffix == "txt":
        sample.told["caption"] = _caption(content)
    else:
        sample.told = {**_sidecar_json(content), **sample.told}


def _split(name: str) -> tuple[str, str, str]:
    folder, slash, base = name.rpartition("/")
    stem, dot, suffix = base.partition(".")
    return f"{folder}{slash}{stem}", dot, suffix.lower()


def _require_end(path: Path, end: int) -> None:
    """A tar ends with blocks of zeros; one that was cut between two members does not."""
    with path.open("rb") as stream:
        stream.seek(end)
        block = stream.read(512)
    if block != bytes(512):
        raise _cut_off(path, f"no end mark at byte {end}")


def _cut_off(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path} is no whole tar ({reason}). Was it cut off? Restore it, or take it out of the "
        "source; what is built already is intact."
    )


def _caption(content: bytes) -> str:
    return content.decode("utf-8", "replace").strip()


def _sidecar_json(content: bytes) -> dict[str, Any]:
    """What a sidecar says, if it is an object; one that cannot be read says nothing."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
