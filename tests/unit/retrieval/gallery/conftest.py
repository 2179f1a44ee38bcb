"""Galleries of simulated vectors, small enough for exact search."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery
from mindeye.simulate.clustered_vectors import ClusteredVectors

WIDTH = 32


@pytest.fixture
def clustered():
    return ClusteredVectors(width=WIDTH, num_clusters=20)


@pytest.fixture
def gallery_of(tmp_path, clustered):
    """Writes a gallery of some shards; of shard `number`, only the rows `kept[number]`.

    Shards have `count` vectors each, or `counts`.
    """

    def written(num_shards=3, count=700, kept=None, network="simulated", counts=None):
        counts, kept = counts or num_shards * [count], kept or {}
        shards, first = [], 0
        folder = tmp_path / "gallery"
        (folder / "embeddings").mkdir(parents=True, exist_ok=True)
        (folder / "kept").mkdir(exist_ok=True)
        for number, count in enumerate(counts):
            path = folder / "embeddings" / f"{number}.npy"
            if not path.exists():
                np.save(path, clustered.shard(number, count))
            rows = kept.get(number)
            file = None
            if rows is not None:
                rows = np.asarray(rows, dtype=np.int64)
                file = Path(f"kept/{number}-{sha256(rows.tobytes()).hexdigest()[:8]}.npy")
                np.save(folder / file, rows)
            shards.append(
                GalleryShard(
                    name=f"s{number}",
                    first=first,
                    count=count,
                    num_kept=count if rows is None else len(rows),
                    embeddings=Path(f"embeddings/{number}.npy"),
                    kept=file,
                    sha256=str(number),
                )
            )
            first += count
        return write_gallery(folder, network=network, width=WIDTH, shards=shards, about={})

    return written
