"""A gallery of 24 pictures in two shards, ready to be asked."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

WIDTH, COUNT = 8, 12
DROPPED = 20
"""A gallery row that filters have left out."""
CAPTION = "<img src=x onerror=alert(1)> & </script>"


def embedding_of(text: str) -> np.ndarray:
    """Some unit vector that depends on the text alone."""
    rng = np.random.default_rng(sum(text.encode()))
    vector = rng.standard_normal(WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


class MadeUpEmbedder:
    """Texts by `embedding_of`; a picture is embedded as its first pixel's red."""

    def embed_text(self, text):
        return embedding_of(text)

    def embed_picture(self, picture):
        return embedding_of(str(picture[0, 0, 0]))


def png(red: int, side: int = 40) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((side, side // 2, 3), (red, 10, 20), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def made_up():
    """What the tests know of the gallery."""
    return SimpleNamespace(
        width=WIDTH,
        count=COUNT,
        dropped=DROPPED,
        caption=CAPTION,
        embedding_of=embedding_of,
        png=png,
    )


@pytest.fixture
def gallery(tmp_path):
    from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery

    folder, shards = tmp_path / "secret-folder", []
    for name in ("embeddings", "metadata", "kept"):
        (folder / name).mkdir(parents=True)
    vectors = np.random.default_rng(0).standard_normal((2 * COUNT, WIDTH))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    # Rows 3 and 4 are the same picture.
    vectors[4] = vectors[3]
    for number in range(2):
        rows = range(COUNT * number, COUNT * (number + 1))
        np.save(folder / "embeddings" / f"{number}.npy", vectors[[*rows]].astype(np.float16))
        columns = {
            "url": [f"https://example.org/{row}" for row in rows],
            "caption": [f"{CAPTION} {row}" for row in rows],
            "path": [str(tmp_path / f"{row}.png") for row in rows],
            "punsafe": [float("nan") for _ in rows],
        }
        if number:
            columns["url"][0] = "javascript:alert(1)"
            columns["url"][1] = f"file://{tmp_path}"
        parquet.write_table(pa.table(columns), folder / "metadata" / f"{number}.parquet")
        shards.append(
            GalleryShard(
                name=str(number),
                first=COUNT * number,
                count=COUNT,
                num_kept=COUNT,
                embeddings=Path(f"embeddings/{number}.npy"),
                metadata=Path(f"metadata/{number}.parquet"),
                sha256="",
            )
        )
    kept = [row for row in range(COUNT) if row != DROPPED - COUNT]
    np.save(folder / "kept" / "1.npy", np.array(kept))
    shards[1] = replace(shards[1], kept=Path("kept/1.npy"), num_kept=len(kept))
    return write_gallery(folder, network="n", width=WIDTH, shards=shards, about={})


@pytest.fixture
def service(gallery):
    from mindeye.retrieval.gallery.exact import ExactIndex
    from mindeye.retrieval.gallery.serving.service import BrainImages, GalleryService

    brain = BrainImages(
        image_ids=np.array([300, 307]),
        embeddings=np.stack([embedding_of("a"), embedding_of("b")]),
        seen=lambda image_id: np.full((600, 300, 3), image_id - 300, dtype=np.uint8),
    )
    return GalleryService(
        name="scenes",
        gallery=gallery,
        index=ExactIndex(gallery),
        picture_bytes=lambda row: png(row) if row < COUNT else None,
        embedder=MadeUpEmbedder(),
        brain=brain,
        notes=("A note.",),
    )
