"""A source on its way into a gallery: shard by shard, until all are there.

`building/source.json` says what is being added, `building/NAME.json` that a shard is whole. Only
when all are there `gallery.json` names them: until then the gallery is what it was before. What is
written does not depend on when or where a shard was made, so that a killed build and one that was
divided among machines give the same bytes.
"""

import json
import re
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from mindeye.files import one_at_a_time, read_json, write_json
from mindeye.retrieval.gallery.folder import (
    MANIFEST,
    PATHS,
    Gallery,
    GalleryShard,
    open_gallery,
    write_gallery,
)
from mindeye.retrieval.gallery.sources.growth import (
    files_of,
    next_shard,
    require_gallery_folder,
    require_resumable,
    require_same_vectors,
    without_known,
)
from mindeye.retrieval.gallery.sources.sources import GallerySource

BUILDING = "building"
_SOURCE = Path(BUILDING) / "source.json"
# Settings that let a shard pass which was refused, and change no other.
_MENDING = ("normalise", "drop_broken")
SIMULATED_FILE = "SIMULATED.json"


@dataclass(frozen=True, kw_only=True)
class BuiltShard:
    """One finished unit of work; the first row of its vectors is known at the end."""

    shard: GalleryShard
    skipped: dict[str, int]
    """Reason -> pictures that could not be embedded."""
    dropped: dict[str, int]
    """Filter -> vectors that cannot be found because of it."""


@dataclass(frozen=True, kw_only=True)
class Building:
    """What is being added to which gallery."""

    out: Path
    source: GallerySource
    """Without the shards that the gallery has already."""
    network: str
    width: int
    settings: dict[str, Any]
    """Everything else that the result depends on."""
    number: int
    """Of the source in the gallery."""
    first_shard: int
    """How many shards the gallery had before."""

    def name_of(self, number: int) -> str:
        """Of a shard of this source, in the gallery."""
        stem = re.sub(r"[^\w-]", "_", self.source.shards[number].name, flags=re.ASCII)[:60]
        return f"{self.first_shard + number:05d}-{stem}"

    def missing(self) -> list[int]:
        """Numbers of the shards that are not whole yet."""
        return [number for number in range(len(self.source.shards)) if not self._is_whole(number)]

    def record(self, number: int, built: BuiltShard) -> None:
        """Says that a shard is whole; call it last.

        Raises:
            ValueError: a build of other settings began here before any shard was whole.
        """
        shard = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(built.shard).items()
        }
        listing = self.source.shards[number].listing
        told = {**asdict(built), "shard": shard, "listing": listing}
        # Another process that begins now looks first, or finds this shard.
        with one_at_a_time(self.out):
            if (self.out / _SOURCE).is_file():
                require_resumable(self.out / _SOURCE, _wanted(self))
            write_json(self._record_path(number), told)

    def built(self) -> list[BuiltShard]:
        """The shards that are whole, in the source's order."""
        done = set(range(len(self.source.shards))) - set(self.missing())
        return [_read_record(self._record_path(number)) for number in sorted(done)]

    def _is_whole(self, number: int) -> bool:
        """Whether a shard was made of the files that are there now: a broken one is replaced."""
        path = self._record_path(number)
        return path.is_file() and read_json(path)["listing"] == self.source.shards[number].listing

    def _record_path(self, number: int) -> Path:
        return self.out / BUILDING / f"{self.name_of(number)}.json"

    def finish(self) -> Gallery:
        """Lets the gallery name the new shards; all must be there.

        Raises:
            ValueError: no vector at all.
        """
        with one_at_a_time(self.out):
            if self._is_named():  # by a process on another machine
                return open_gallery(self.out)
            before = open_gallery(self.out) if (self.out / MANIFEST).is_file() else None
            built = self.built()
            shards = list(before.shards) if before else []
            first = before.num_rows if before else 0
            for one in built:
                if one.shard.count:
                    shards.append(replace(one.shard, first=first, source=self.number))
                    first += one.shard.count
            if first == (before.num_rows if before else 0):
                reasons = dict(sum((Counter(one.skipped) for one in built), Counter()))
                raise ValueError(
                    f"{self.source.root} gave no vector at all; skipped: {reasons or 'none'}. "
                    "Is it the right folder?"
                )
            about = dict(before.about) if before else {"sources": [], "simulated": None}
            about["sources"] = [*about["sources"], self._about(built)]
            about["simulated"] = about["simulated"] or _simulated(self.source.root)
            gallery = write_gallery(
                self.out, network=self.network, width=self.width, shards=shards, about=about
            )
            shutil.rmtree(self.out / BUILDING, ignore_errors=True)
            return gallery

    def _is_named(self) -> bool:
        if not (self.out / MANIFEST).is_file():
            return False
        return len(open_gallery(self.out).about["sources"]) > self.number

    def _about(self, built: list[BuiltShard]) -> dict[str, Any]:
        """What `gallery.json` says of this source."""
        root = str(self.source.root)
        return {
            "root": root,
            "pictures": root if self.source.has_pictures else None,
            "form": self.source.form,
            "listing": self.source.listing,
            "files": files_of(self.source),
            "vectors": sum(one.shard.count for one in built),
            "kept": sum(one.shard.num_kept for one in built),
            "skipped": _added(one.skipped for one in built),
            "dropped": _added(one.dropped for one in built),
            "settings": self.settings,
            "simulated": _simulated(self.source.root),
        }


def begin(
    out: Path, source: GallerySource, *, network: str, width: int, settings: dict[str, Any]
) -> Building:
    """Starts to add a source to a gallery, or goes on where that stopped.

    Raises:
        ValueError: the gallery holds vectors of another network, another source is being added,
            files of the source changed since they were added, or `out` is of something else.
    """
    require_gallery_folder(out, out / _SOURCE)
    before = open_gallery(out) if (out / MANIFEST).is_file() else None
    if before is not None:
        require_same_vectors(before, network, width)
        source = without_known(source, before)
    building = Building(
        out=out,
        source=source,
        network=network,
        width=width,
        settings=settings,
        number=len(before.about["sources"]) if before else 0,
        first_shard=next_shard(before),
    )
    if not source.shards:
        # What a kill between naming the shards and sweeping has left.
        shutil.rmtree(out / BUILDING, ignore_errors=True)
        return building
    wanted = _wanted(building)
    with one_at_a_time(out):
        path = out / _SOURCE
        # What begins alike deletes nothing: network disks that cannot lock let both in at once.
        if path.is_file() and (read_json(path) == wanted or _has_shards(path, building.number)):
            require_resumable(path, wanted)
        else:
            shutil.rmtree(out / BUILDING, ignore_errors=True)
            write_json(path, wanted)
    return building


def _has_shards(path: Path, number: int) -> bool:
    """Whether work of this source would be lost: some shard is whole."""
    return read_json(path).get("number") == number and any(
        one.name != path.name for one in path.parent.glob("*.json")
    )


def _wanted(building: Building) -> dict[str, Any]:
    told = {
        "root": str(building.source.root),
        "form": building.source.form,
        "network": building.network,
        "width": building.width,
        "number": building.number,
        "settings": {name: one for name, one in building.settings.items() if name not in _MENDING},
    }
    # Through JSON, so that it equals what is read back.
    return json.loads(json.dumps(told))


def _read_record(path: Path) -> BuiltShard:
    content = read_json(path)
    known = {field.name for field in fields(GalleryShard)}
    shard = {
        name: Path(value) if name in PATHS and value is not None else value
        for name, value in content["shard"].items()
        if name in known
    }
    told = {"skipped": content["skipped"], "dropped": content["dropped"]}
    return BuiltShard(shard=GalleryShard(**shard), **told)


def _added(counts) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _simulated(root: Path) -> dict[str, Any] | None:
    """What SIMULATED.json at the root of a source says."""
    path = root / SIMULATED_FILE
    return read_json(path) if path.is_file() else None
