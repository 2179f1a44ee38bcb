"""What the server answers, without HTTP: bytes of a request -> records, pictures, an account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.pictures.places import most_pixels
from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.query import (
    KnnQuery,
    read_json,
    read_query,
    require_name,
    whole_number,
)
from mindeye.retrieval.gallery.serving.refusal import QueryError
from mindeye.retrieval.gallery.serving.uploads import GALLERY_FORMATS, thumbnail, uploaded_picture

# clip-retrieval's threshold: results whose cosine is above it are the same picture.
SAME_PICTURE = 0.94
# Columns of metadata that may leave the server, as LAION and img2dataset spell them.
TOLD = {
    "url": ("url", "URL"),
    "caption": ("caption", "TEXT", "text"),
    "license": ("license", "LICENSE"),
    "key": ("key",),
}


@runtime_checkable
class QueryEmbedder(Protocol):
    """The network that has embedded the gallery."""

    def embed_text(self, text: str) -> Float32[np.ndarray, "features"]:
        """A unit vector."""
        ...

    def embed_picture(
        self, picture: UInt8[np.ndarray, "height width 3"]
    ) -> Float32[np.ndarray, "features"]:
        """A unit vector."""
        ...


@dataclass(frozen=True, kw_only=True)
class BrainImages:
    """What a run decoded of its test images."""

    image_ids: Int64[np.ndarray, "images"]
    embeddings: Float32[np.ndarray, "images width"]
    """Unit vectors."""
    seen: Callable[[int], UInt8[np.ndarray, "height width 3"]]
    """Image id -> the picture that was shown in the scanner."""


@dataclass(frozen=True, kw_only=True)
class GalleryService:
    """One gallery, one index, and what embeds queries."""

    name: str
    """Of the one index, for clip-retrieval's clients."""
    gallery: Gallery
    index: VectorIndex
    picture_bytes: Callable[[int], bytes | None]
    """Gallery row -> an encoded picture; None where it is not on this machine."""
    embedder: QueryEmbedder | None = None
    """None where the gallery's network is not on this machine."""
    brain: BrainImages | None = None
    notes: Sequence[str] = ()
    """Sentences for the page, such as that data are simulated."""
    limits: ServeLimits = field(default_factory=ServeLimits)

    def about(self) -> dict[str, Any]:
        """What the page must know."""
        return {
            "name": self.name,
            "vectors": self.gallery.num_kept,
            "engine": self.index.about,
            "max_k": self.limits.max_k,
            "max_body": self.limits.max_body,
            "embeds": self.embedder is not None,
            "brain_images": [] if self.brain is None else self.brain.image_ids.tolist(),
            "notes": list(self.notes),
        }

    def search(self, body: bytes) -> list[dict[str, Any]]:
        """`/knn-service`: results best first; those after `num_images` without metadata.

        Fewer come back where the gallery has fewer, or where near-duplicates are left out.

        Raises:
            QueryError: see `read_query`, or what is needed for such a query is not served.
        """
        query = read_query(
            read_json(body), name=self.name, width=self.gallery.width, limits=self.limits
        )
        k = min(query.num_results, self.gallery.num_kept)
        found = self.index.search(self._vector(query)[None], k)
        scores, rows = found.scores[0], found.rows[0]
        # An index that probes too few cells fills up with -1.
        scores, rows = scores[rows >= 0], rows[rows >= 0]
        if query.deduplicate:
            kept = different_pictures(self.gallery.vectors(rows))
            scores, rows = scores[kept], rows[kept]
        records = self._records(rows[: query.num_images])
        records += [{} for _ in rows[query.num_images :]]
        return [
            {**record, "id": int(row), "similarity": float(score)}
            for record, row, score in zip(records, rows, scores, strict=True)
        ]

    def metadata(self, body: bytes) -> list[dict[str, Any]]:
        """`/metadata`: what may be told of some gallery rows.

        Raises:
            QueryError: no list of rows that can be found, or too long a one.
        """
        content = read_json(body)
        require_name(content, self.name)
        ids = content.get("ids")
        if not isinstance(ids, list):
            raise QueryError("ids must be a list of whole numbers.")
        if len(ids) > self.limits.max_k:
            raise QueryError(f"{len(ids)} ids are more than {self.limits.max_k}.")
        rows = [whole_number(one, "each of ids") for one in ids]
        records = self._records(self._known_rows(rows))
        return [{"id": row, "metadata": one} for row, one in zip(rows, records, strict=True)]

    def thumbnail(self, row: int) -> bytes:
        """`/picture/ROW` as a small JPEG.

        Raises:
            QueryError: no such row, or its picture is not here.
        """
        (known,) = self._known_rows([row])
        try:
            content = self.picture_bytes(int(known))
        except (OSError, ValueError) as error:
            # What it says holds a path.
            raise QueryError("This picture is not where it was built from.", status=404) from error
        if content is None:
            raise QueryError("This picture is not on the server; see its url.", status=404)
        # Not the limit of strangers' pictures: this one has passed that of the build.
        picture = uploaded_picture(content, most_pixels(self.gallery, row), GALLERY_FORMATS)
        return thumbnail(picture, self.limits.thumbnail_side)

    def seen_thumbnail(self, image_id: int) -> bytes:
        """`/brain/IMAGE_ID`: what was shown in the scanner, as a small JPEG.

        Raises:
            QueryError: no such test image, or no run is served.
        """
        return thumbnail(self._brain_images(image_id).seen(image_id), self.limits.thumbnail_side)

    def _vector(self, query: KnnQuery) -> Float32[np.ndarray, "width"]:
        if query.vector is not None:
            return query.vector
        if query.row is not None:
            return self.gallery.vectors(self._known_rows([query.row]))[0]
        if query.brain_image is not None:
            brain = self._brain_images(query.brain_image)
            return brain.embeddings[brain.image_ids == query.brain_image][0]
        if self.embedder is None:
            raise QueryError(
                "This server has no network that embeds texts or pictures. Send embedding_input."
            )
        if query.text is not None:
            return self.embedder.embed_text(query.text)
        return self.embedder.embed_picture(uploaded_picture(query.image, self.limits.max_pixels))

    def _brain_images(self, image_id: int) -> BrainImages:
        if self.brain is None or image_id not in self.brain.image_ids:
            raise QueryError("There is no decoded test image of this number.", status=404)
        return self.brain

    def _known_rows(self, rows: Sequence[int]) -> Int64[np.ndarray, "rows"]:
        """Rows that can be found: what filters have dropped is not shown in other ways either."""
        unknown = QueryError("There is no picture of this number.", status=404)
        if not all(0 <= row < self.gallery.num_rows for row in rows):
            raise unknown
        found = np.array(rows, dtype=np.int64)
        for number, places in self.gallery.places_of(found).items():
            shard = self.gallery.shards[number]
            if not np.isin(found[places] - shard.first, self.gallery.kept_rows(shard)).all():
                raise unknown
        return found

    def _records(self, rows: Int64[np.ndarray, "rows"]) -> list[dict[str, str]]:
        columns = [column for columns in TOLD.values() for column in columns]
        return [told(record) for record in self.gallery.records(rows, columns)]


def told(record: Mapping[str, Any]) -> dict[str, str]:
    """What may leave the server of a row's metadata: no path, no address but of the web."""
    found = {}
    for name, columns in TOLD.items():
        values = [record[column] for column in columns if record.get(column) not in (None, "")]
        if values:
            found[name] = str(values[0])
    if "key" in found:
        # Of a folder of pictures, the key is the path below it.
        found["key"] = found["key"].rpartition("/")[2]
    if not found.get("url", "http://").lower().startswith(("http://", "https://")):
        del found["url"]
    return found


def different_pictures(vectors: Float32[np.ndarray, "results width"]) -> np.ndarray:
    """Of results best first, the places of the best of every group of near-duplicates, ascending.

    Groups are connected: two that are unlike stand in one group where a third is like both.

    Source: clip-retrieval, clip_back.py, `connected_components_dedup`.
    """
    alike = vectors @ vectors.T > SAME_PICTURE
    kept, seen = [], np.zeros(len(vectors), dtype=bool)
    for place in range(len(vectors)):
        if seen[place]:
            continue
        kept.append(place)
        group = np.zeros(len(vectors), dtype=bool)
        group[place] = True
        while (wider := group | alike[group].any(0)).sum() > group.sum():
            group = wider
        seen |= group
    return np.array(kept, dtype=np.int64)
