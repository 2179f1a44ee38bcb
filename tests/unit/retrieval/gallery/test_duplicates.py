"""Duplicates against a plain loop over all pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.retrieval.gallery import blocks, duplicates
from mindeye.retrieval.gallery.duplicates import near_duplicates, same_pictures
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery, write_kept

WIDTH, COUNTS, ABOVE = 6, (40, 25, 60), 0.9
NAMES = [3, 7, None, 3, 9]


@pytest.fixture
def gallery(tmp_path):
    """Vectors in few clusters, so that many are alike; some rows cannot be found."""
    rng, shards, first = np.random.default_rng(2), [], 0
    centres = rng.standard_normal((12, WIDTH))
    for folder in ("embeddings", "metadata"):
        (tmp_path / folder).mkdir()
    for number, count in enumerate(COUNTS):
        name = str(number)
        vectors = centres[rng.integers(0, 12, count)] + 0.3 * rng.standard_normal((count, WIDTH))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.save(tmp_path / "embeddings" / f"{name}.npy", vectors.astype(np.float16))
        hashes = {"hash": [*NAMES, *range(100 * number + 20, 100 * number + 15 + count)]}
        parquet.write_table(pa.table(hashes), tmp_path / "metadata" / f"{name}.parquet")
        rows = np.sort(rng.permutation(count)[: count - 3])
        shards.append(
            GalleryShard(
                name=name,
                first=first,
                count=count,
                num_kept=len(rows),
                embeddings=Path("embeddings") / f"{name}.npy",
                metadata=Path("metadata") / f"{name}.parquet",
                kept=write_kept(tmp_path, name, rows, count),
                sha256="",
            )
        )
        first += count
    return write_gallery(tmp_path, network="n", width=WIDTH, shards=shards, about={})


def findable(gallery) -> list[int]:
    shards = gallery.shards
    return [int(shard.first + row) for shard in shards for row in gallery.kept_rows(shard)]


def unit(gallery, rows):
    vectors = gallery.vectors(rows).astype(float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slowly(gallery, without) -> dict[int, int]:
    """Row -> the earliest row that stays and is alike."""
    rows = [row for row in findable(gallery) if not without[row]]
    vectors = dict(zip(rows, unit(gallery, np.array(rows)), strict=True))
    stays, found = [], {}
    for row in rows:
        alike = [one for one in stays if vectors[one] @ vectors[row] >= ABOVE]
        if alike:
            found[row] = alike[0]
        else:
            stays.append(row)
    return found


@pytest.mark.parametrize("at_once", [7, 1000])
def test_the_earliest_of_those_that_are_alike_stays(gallery, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", at_once * WIDTH)
    monkeypatch.setattr(duplicates, "CHUNK", 3)
    without = np.zeros(gallery.num_rows, dtype=bool)
    without[findable(gallery)[:5]] = True
    given = without.copy()
    found = near_duplicates(gallery, ABOVE, without, tmp_path / "work")
    expected = slowly(gallery, without)
    assert len(expected) > 20
    assert dict(zip(found.rows.tolist(), found.first.tolist(), strict=True)) == expected
    assert (np.diff(found.rows) > 0).all()
    cosines = (unit(gallery, found.rows) * unit(gallery, found.first)).sum(1)
    np.testing.assert_allclose(found.cosine, cosines, atol=1e-6)
    assert (without == given).all()


def test_an_index_finds_the_same_where_it_gives_all_that_are_alike(gallery, tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates, "NEIGHBOURS", 200)
    without = np.zeros(gallery.num_rows, dtype=bool)
    found = near_duplicates(gallery, ABOVE, without, tmp_path / "work", ExactIndex(gallery))
    assert dict(zip(found.rows.tolist(), found.first.tolist(), strict=True)) == slowly(
        gallery, without
    )


def test_a_search_that_was_stopped_goes_on_at_its_block(gallery, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 10 * WIDTH)
    without = np.zeros(gallery.num_rows, dtype=bool)
    whole = near_duplicates(gallery, ABOVE, without, tmp_path / "whole")

    def stop(done, _):
        if done > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        near_duplicates(gallery, ABOVE, without, tmp_path / "work", progress=stop)
    finished = len([*(tmp_path / "work").iterdir()])
    compared, plain = [], duplicates._by_pairs
    monkeypatch.setattr(duplicates, "_by_pairs", lambda *given: compared.append(1) or plain(*given))
    again = near_duplicates(gallery, ABOVE, without, tmp_path / "work")
    assert all((one == other).all() for one, other in zip(again, whole, strict=True))
    assert len(compared) == len([*(tmp_path / "whole").iterdir()]) - finished > 0


def test_the_bytes_of_a_picture_tell_more_than_its_address(gallery):
    path = gallery.path / gallery.shards[0].metadata
    table, first = parquet.read_table(path), gallery.kept_rows(gallery.shards[0])[:2]
    digests = [f"{row:064x}" for row in range(len(table))]
    digests[first[1]] = digests[first[0]]
    # One picture at two addresses; what has one address shows two pictures.
    parquet.write_table(table.append_column("sha256", [digests]), path)
    found = same_pictures(replace(gallery, shards=gallery.shards[:1]))
    assert (found.rows.tolist(), found.first.tolist()) == ([first[1]], [first[0]])


def test_rows_of_the_same_picture_are_known_by_the_column_that_tells_them(gallery):
    found = same_pictures(gallery)
    keys = {row: None for row in findable(gallery)}
    for shard in gallery.shards:
        table = parquet.read_table(gallery.path / shard.metadata).column("hash").to_pylist()
        for row in gallery.kept_rows(shard):
            keys[int(shard.first + row)] = table[row]
    first_of, expected = {}, {}
    for row, key in keys.items():
        if key is not None and first_of.setdefault(key, row) != row:
            expected[row] = first_of[key]
    assert expected
    assert dict(zip(found.rows.tolist(), found.first.tolist(), strict=True)) == expected
