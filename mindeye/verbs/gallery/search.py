"""`mindeye gallery search`: the pictures of a gallery that are most like a picture or a text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from mindeye.files import write_json
from mindeye.pictures import as_images, save_png
from mindeye.reconstruction.gallery_queries import (
    picture_queries,
    require_same_network,
    text_queries,
)
from mindeye.report.gallery_sheet import Found, SheetRow, gallery_sheet
from mindeye.report.tables import write_tsv
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.folder import Gallery, open_gallery
from mindeye.retrieval.gallery.open_engine import open_engine
from mindeye.retrieval.gallery.pictures.download import decoded
from mindeye.retrieval.gallery.pictures.outcomes import Unfetched
from mindeye.retrieval.gallery.pictures.reader import MOST_PIXELS, PictureReader
from mindeye.retrieval.gallery.queries import distinct_neighbours, read_queries
from mindeye.targets.clip import load_clip
from mindeye.verbs.device import require_device
from mindeye.verbs.gallery.searchable import (
    COLUMNS,
    Fetching,
    answers,
    open_reader,
    simulated_gallery,
)

LARGEST_FILE = 200_000_000


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What is searched for, and how."""

    images: Sequence[Path] = ()
    texts: Sequence[str] = ()
    embedding: Path | None = None
    k: int = 16
    distinct_below: float | None = None
    """Of results with a higher cosine to each other only the best is shown; None: all are."""
    clip: Path | None = None
    """Folder of the network that embeds pictures and texts; None: the offline one."""
    device: str = "cpu"
    engine: EngineChoice = field(default_factory=EngineChoice)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One query with what is shown of it."""

    label: str
    vector: Float32[np.ndarray, "embedding"]
    picture: UInt8[np.ndarray, "height width 3"] | None = None


@dataclass(frozen=True, kw_only=True)
class Search:
    """Questions with their answers."""

    gallery: Gallery
    questions: Sequence[Question]
    found: Sequence[Sequence[dict[str, Any]]]
    """Of each question, `COLUMNS` of each result, best first."""
    notes: Sequence[str]
    """What was searched how, and what was done to the queries."""
    simulated: dict[str, Any] | None


def search_gallery(path: Path, request: SearchRequest) -> Search:
    """Searches a gallery.

    Raises:
        FileNotFoundError: no gallery, network, picture or file of embeddings there.
        ValueError: nothing is searched for, another network, k above the vectors that can be
            found, or a query that cannot be searched for.
        LookupError: a text for a network without text part, or no such device.
    """
    if not (request.images or request.texts or request.embedding):
        raise ValueError("Nothing is searched for. Give --image, --text or --embedding.")
    above = request.distinct_below
    if above is not None and not -1 <= above <= 1:
        raise ValueError(f"--deduplicate {above} is no cosine. Choose from -1 to 1.")
    gallery = open_gallery(path)
    questions, notes = _questions(gallery, request)
    index = open_engine(gallery, request.engine)
    vectors = np.stack([one.vector for one in questions])
    if request.distinct_below is None:
        scores, rows = index.search(vectors, request.k)
        neighbours = list(zip(scores, rows, strict=True))
    else:
        how = {"above": request.distinct_below, "most": gallery.num_kept}
        parts = distinct_neighbours(index, vectors, request.k, **how, vectors=gallery.vectors)
        neighbours = [(one.scores[0], one.rows[0]) for one in parts]
    return Search(
        gallery=gallery,
        questions=questions,
        found=[
            answers(gallery, one.label, *near)
            for one, near in zip(questions, neighbours, strict=True)
        ],
        notes=(index.about, *notes),
        simulated=simulated_gallery(gallery),
    )


def save_search(search: Search, out: Path, fetching: Fetching) -> list[str]:
    """Writes results.tsv, results.json and sheet.png; returns what could not be shown."""
    cells = [[one[name] for name in COLUMNS] for found in search.found for one in found]
    write_tsv(out / "results.tsv", COLUMNS, cells, simulated=search.simulated)
    write_json(out / "results.json", as_json(search))
    reader = open_reader(search.gallery, fetching)
    rows, told = [], []
    for question, found in zip(search.questions, search.found, strict=True):
        row, missing = _sheet_row(reader, question, found)
        rows.append(row)
        told += missing
    save_png(
        gallery_sheet(rows, "SIMULATED pictures" if search.simulated else ""), out / "sheet.png"
    )
    return told


def as_json(search: Search) -> dict[str, Any]:
    """All results with what they are from."""
    return {
        "gallery": str(search.gallery.path.resolve()),
        "network": search.gallery.network,
        "notes": list(search.notes),
        "simulated": search.simulated,
        "results": json.loads(
            json.dumps([one for found in search.found for one in found], default=str)
        ),
    }


def _sheet_row(
    reader: PictureReader, question: Question, found: Sequence[dict[str, Any]]
) -> tuple[SheetRow, list[str]]:
    fetched = reader.read(np.array([one["row"] for one in found], dtype=np.int64))
    shown = [
        Found(picture=got.picture, text=f"{one['rank']}: {one['cosine']:.3f}")
        for one, got in zip(found, fetched, strict=True)
        if got.picture is not None
    ]
    missing = [
        f"no picture of row {one['row']}: {got.why}"
        for one, got in zip(found, fetched, strict=True)
        if got.picture is None
    ]
    return SheetRow(label=question.label, asked=question.picture, found=shown), missing


def _questions(gallery: Gallery, request: SearchRequest) -> tuple[list[Question], list[str]]:
    questions, notes = [], []
    if request.embedding is not None:
        found = read_queries(request.embedding, gallery.width)
        name = request.embedding.name
        questions += [
            Question(label=f"{name}[{number}]", vector=vector)
            for number, vector in enumerate(found.vectors)
        ]
        notes += [found.note] if found.note else []
    if request.images or request.texts:
        require_device(request.device)
        pictures = [read_picture(path) for path in request.images]
        clip = load_clip(request.clip, request.device)
        whose = "the offline CLIP" if request.clip is None else f"the CLIP at {request.clip}"
        require_same_network(gallery, clip, whose)
        for path, picture in zip(request.images, pictures, strict=True):
            (vector,) = picture_queries(clip, as_images(picture[None]))
            questions.append(Question(label=path.name, vector=vector, picture=picture))
        if request.texts:
            vectors = text_queries(clip, list(request.texts))
            pairs = zip(request.texts, vectors, strict=True)
            questions += [Question(label=text, vector=vector) for text, vector in pairs]
    return questions, notes


def read_picture(path: Path) -> UInt8[np.ndarray, "side side 3"]:
    """The central square of a picture's file, as galleries are embedded.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no picture, or too large a one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file. Give a picture with --image.")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes, more than {LARGEST_FILE:,}. "
            "Make the picture smaller."
        )
    try:
        picture = decoded(path.read_bytes(), MOST_PIXELS)
    except Unfetched as reason:
        raise ValueError(f"{path}: {reason}. Give a JPEG or PNG file.") from reason
    edge = min(picture.shape[:2])
    top, left = ((length - edge) // 2 for length in picture.shape[:2])
    return picture[top : top + edge, left : left + edge]
