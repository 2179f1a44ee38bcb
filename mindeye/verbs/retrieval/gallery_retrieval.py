"""`mindeye retrieve RUN --gallery G`: for each test image, the picture that a gallery has of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

from mindeye.files import holds_something, read_json, write_json
from mindeye.nsd_layout import SIMULATED_FILE
from mindeye.pictures import save_png
from mindeye.report.gallery_sheet import Found, SheetRow, gallery_sheet, stacked
from mindeye.report.tables import write_tsv
from mindeye.retrieval.gallery.pictures.reader import PictureReader
from mindeye.retrieval.gallery.planted.planted import likeness
from mindeye.retrieval.gallery.queries import first_of_alike
from mindeye.verbs.gallery.searchable import COLUMNS, answers
from mindeye.verbs.retrieval.gallery_found import GalleryRetrieval
from mindeye.verbs.retrieval.gallery_material import GalleryMaterial
from mindeye.verbs.retrieval.gallery_selection import Selector, fitted

CELLS = ("image_id", *COLUMNS[1:], "second_order", "chosen", "likeness")
MANIFEST, PICTURES, SHEETS, RECORDS = "manifest.json", "pictures", "sheets", "images"
SHOWN_ON_SHEET = 8


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings:
    """As published: 300 neighbours, of which the first 16 whose pictures can be had."""

    k: int = 16
    """Pictures among which is chosen."""
    candidates: int = 300
    """Neighbours that are asked for; at most the gallery."""
    distinct_below: float | None = None
    """Of neighbours with a higher cosine to each other only the best is taken; None: all are."""


def retrieve_from_gallery(
    material: GalleryMaterial,
    selector: Selector,
    reader: PictureReader,
    settings: RetrievalSettings,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> GalleryRetrieval:
    """Writes a picture, a sheet and a record of each image; a killed one goes on.

    Images are retrieved again of which some picture could not be had for a reason that may pass.

    Raises:
        ValueError: fewer candidates than pictures, or `out` holds something else.
    """
    if not 1 <= settings.k <= settings.candidates:
        raise ValueError(
            f"{settings.k} pictures cannot be chosen from {settings.candidates} candidates. "
            "Raise --candidates, or lower --k."
        )
    # What is found depends on these too: an index that was made anew, and what could be fetched.
    searched = {"index": material.index.about, "fetched": reader.downloader is not None}
    about = {**material.about, **selector.about, "settings": asdict(settings), **searched}
    _require_same(out, about)
    absent = [n for n, one in enumerate(about["image_ids"]) if not _is_final(out, one)]
    total = len(material.image_ids)
    asked = min(settings.candidates, material.gallery.num_kept)
    if settings.k > asked:
        raise ValueError(
            f"{settings.k} pictures are asked for, but {material.gallery.path} has {asked} "
            f"vectors. Choose --k from 1 to {asked}."
        )
    if absent:
        scores, rows = material.index.search(material.brain[absent], asked)
        # Once nothing refuses any more: a folder of nothing is left by nobody.
        if not (out / MANIFEST).is_file():
            write_json(out / MANIFEST, about)
        for done, (image, near_scores, near_rows) in enumerate(
            zip(absent, scores, rows, strict=True)
        ):
            _retrieve_one(
                material, selector, reader, settings, out, image, (near_scores, near_rows)
            )
            if progress is not None:
                progress(total - len(absent) + done + 1, total)
    records = [read_json(_record_path(out, one)) for one in about["image_ids"]]
    found = GalleryRetrieval(records=records, about=about)
    _finish(out, found)
    return found


def _retrieve_one(
    material: GalleryMaterial,
    selector: Selector,
    reader: PictureReader,
    settings: RetrievalSettings,
    out: Path,
    image: int,
    near: tuple[Float32[np.ndarray, "found"], Int64[np.ndarray, "found"]],
) -> None:
    """Picture and sheet first, the record last: it says that all is there."""
    scores, rows = near
    image_id, images = int(material.image_ids[image]), material.run.prepared.images
    side = images.shape[1]
    if settings.distinct_below is not None:
        places = first_of_alike(material.gallery.vectors(rows), settings.distinct_below)
        scores, rows = scores[places], rows[places]
    places, pictures, missing, passing = _first_pictures(reader, rows, settings.k, side)
    found = answers(material.gallery, str(image_id), scores[places], rows[places])
    if found:
        stack = np.stack(pictures)
        second = selector.scores(image, rows[places], stack)
        best = int(second.argmax())
        look = material.looks[image][None]
        alike = likeness(look, material.gallery.vectors(rows[places]))[0]
        for number, cell in enumerate(found):
            cell.pop("query")
            cell |= {"rank": int(places[number]) + 1, "chosen": number == best}
            cell["second_order"] = round(float(second[number]), 6)
            cell["likeness"] = round(float(alike[number]), 6)
        save_png(stack[best], out / PICTURES / f"{image_id:05d}.png")
        (seen,) = images[material.run.prepared.rows_of(np.array([image_id]))]
        row = SheetRow(label=f"seen: {image_id}", asked=seen, found=_tiles(found, stack))
        save_png(gallery_sheet([row]), out / SHEETS / f"{image_id:05d}.png")
    else:
        # Of an earlier time, when some could be had.
        for folder in (PICTURES, SHEETS):
            (out / folder / f"{image_id:05d}.png").unlink(missing_ok=True)
    record = {"image_id": image_id, "found": found, "missing": missing, "passing": passing}
    write_json(_record_path(out, image_id), record)


def _first_pictures(
    reader: PictureReader, rows: Int64[np.ndarray, "found"], k: int, side: int
) -> tuple[list[int], list[UInt8[np.ndarray, "_side _side 3"]], list[str], int]:
    """Places and pictures of the first k; why others are not, and of how many that may pass."""
    places, pictures, missing, passing, at = [], [], [], 0, 0
    while len(places) < k and at < len(rows):
        wanted = rows[at : at + k - len(places)]
        for place, got in enumerate(reader.read(wanted), start=at):
            if got.picture is None:
                missing.append(got.why)
                passing += got.passing
            else:
                places.append(place)
                pictures.append(fitted(got.picture, side))
        at += len(wanted)
    return places, pictures, missing, passing


def _tiles(
    found: Sequence[dict[str, Any]], pictures: UInt8[np.ndarray, "found side side 3"]
) -> list[Found]:
    return [
        Found(
            picture=picture,
            text=f"{cell['rank']}: {cell['cosine']:.3f} / {cell['second_order']:.3f}",
            chosen=cell["chosen"],
        )
        for cell, picture in zip(found, pictures, strict=True)
    ]


def _require_same(out: Path, about: dict[str, Any]) -> None:
    marker = out / MANIFEST
    if marker.is_file():
        before = read_json(marker)
        moved = ("run", "gallery", "given")
        other = sorted(
            name for name in {*before, *about} - {*moved} if before.get(name) != about.get(name)
        )
        if before["gallery"]["manifest"] != about["gallery"]["manifest"]:
            other.append("gallery")
        if other:
            raise ValueError(
                f"{out} holds what was retrieved otherwise ({', '.join(other)} differ). "
                "Choose another folder, or delete this one."
            )
        return
    if holds_something(out):
        raise ValueError(f"{out} is not empty and holds no retrieval. Choose another folder.")


def _is_final(out: Path, image_id: int) -> bool:
    path = _record_path(out, image_id)
    # Records of earlier versions do not say what may pass.
    return path.exists() and not read_json(path).get("passing")


def _record_path(out: Path, image_id: int) -> Path:
    return out / RECORDS / f"{image_id:05d}.json"


def _finish(out: Path, found: GalleryRetrieval) -> None:
    about = found.about
    simulated = about["simulated"] or about["gallery"]["simulated"]
    cells = [
        [{**cell, "image_id": one["image_id"]}[name] for name in CELLS]
        for one in found.records
        for cell in one["found"]
    ]
    write_tsv(out / "retrieved.tsv", CELLS, cells, simulated=simulated)
    summary = {"shares": found.shares(), "without picture": found.without_picture}
    write_json(out / "retrieved.json", {**about, **summary, "missing": found.reasons})
    if simulated is not None and (out / PICTURES).is_dir():
        write_json(out / PICTURES / SIMULATED_FILE, simulated)
    sheets = list(_sheets(out, found))
    if sheets:
        save_png(stacked(sheets), out / "sheet.png")
    else:
        (out / "sheet.png").unlink(missing_ok=True)


def _sheets(out: Path, found: GalleryRetrieval) -> Iterator[UInt8[np.ndarray, "_h _w 3"]]:
    """Of the first images that have one."""
    shown = [one["image_id"] for one in found.records if one["found"]][:SHOWN_ON_SHEET]
    for image_id in shown:
        with Image.open(out / SHEETS / f"{image_id:05d}.png") as sheet:
            yield np.asarray(sheet.convert("RGB"))
