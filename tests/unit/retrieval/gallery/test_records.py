"""Metadata and pictures of gallery rows against what was written."""

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery, write_kept
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.verbs.gallery.searchable import answers

WIDTH, COUNTS = 4, (5, 0, 7)
NOBODY = np.array([], dtype=np.int64)


def content_of(row: int) -> bytes:
    return f"picture {row}".encode()


@pytest.fixture
def gallery(tmp_path):
    """Pictures of the first shard in a tar, of the last as files; both in small row groups."""
    folder, shards, first = tmp_path / "gallery", [], 0
    (folder / "metadata").mkdir(parents=True)
    (folder / "embeddings").mkdir()
    for number, count in enumerate(COUNTS):
        rows = range(first, first + count)
        vectors = np.repeat(np.array([*rows], dtype=np.float16)[:, None], WIDTH, 1)
        np.save(folder / "embeddings" / f"{number}.npy", vectors)
        columns = {
            "caption": [f"caption {row}" for row in rows],
            "sha256": [hashlib.sha256(content_of(row)).hexdigest() for row in rows],
            "size": [len(content_of(row)) for row in rows],
            **place_pictures(tmp_path / "source", number, [*rows]),
        }
        parquet.write_table(
            pa.table(columns), folder / "metadata" / f"{number}.parquet", row_group_size=3
        )
        shards.append(
            GalleryShard(
                name=str(number),
                first=first,
                count=count,
                num_kept=count,
                embeddings=Path(f"embeddings/{number}.npy"),
                metadata=Path(f"metadata/{number}.parquet"),
                sha256="",
            )
        )
        first += count
    about = {"sources": [{"pictures": str(tmp_path / "source")}]}
    return write_gallery(folder, network="n", width=WIDTH, shards=shards, about=about)


def place_pictures(root: Path, number: int, rows: list[int]) -> dict[str, list]:
    """Writes pictures to a tar (shard 0) or as files; their columns `path` and `offset`."""
    root.mkdir(exist_ok=True)
    if number:
        for row in rows:
            (root / f"{row}.jpg").write_bytes(content_of(row))
        return {"path": [f"{row}.jpg" for row in rows], "offset": [None] * len(rows)}
    with tarfile.open(root / "0.tar", "w") as tar:
        for row in rows:
            member = tarfile.TarInfo(f"{row}.jpg")
            member.size = len(content_of(row))
            tar.addfile(member, io.BytesIO(content_of(row)))
    with tarfile.open(root / "0.tar") as tar:
        offsets = [member.offset_data for member in tar]
    return {"path": ["0.tar"] * len(rows), "offset": offsets}


def test_records_come_in_the_order_of_the_rows_whatever_shard_holds_them(gallery):
    rows = np.array([11, 0, 4, 5, 11, 3])
    found = gallery.records(rows)
    assert [one["row"] for one in found] == rows.tolist()
    assert [one["caption"] for one in found] == [f"caption {row}" for row in rows]
    assert (gallery.vectors(rows)[:, 0] == rows).all()
    assert gallery.records(NOBODY) == []


def test_only_the_row_groups_that_hold_them_are_read(gallery, monkeypatch):
    read = []
    plain = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile,
        "read_row_group",
        lambda file, group, *rest: read.append(group) or plain(file, group, *rest),
    )
    gallery.records(np.array([9, 8]))  # rows 4 and 3 of the last shard: its second group of three
    assert read == [1]


def test_only_the_columns_that_are_asked_for_are_decoded(gallery, monkeypatch):
    decoded = []
    plain = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile,
        "read_row_group",
        lambda file, group, names: decoded.append(names) or plain(file, group, names),
    )
    rows = np.array([11, 0])
    every = gallery.records(rows)
    decoded.clear()
    found = gallery.records(rows, ("caption", "size", "of another source"))
    assert found == [{name: one[name] for name in ("row", "caption", "size")} for one in every]
    assert decoded == [["caption", "size"]] * 2
    assert [one["caption"] for one in answers(gallery, "", np.zeros(2, np.float32), rows)] == [
        "caption 11",
        "caption 0",
    ]
    pictures(gallery, rows)
    assert not {"sha256", "size", "offset"} & {*decoded[2], *decoded[3]}
    assert all("caption" not in names for names in decoded[4:])
    # A row that is not there is one also where nothing of it is asked for.
    assert gallery.records(rows, ("of another source",)) == [{"row": 11}, {"row": 0}]


def test_pictures_are_read_from_files_and_from_within_tars(gallery):
    rows = np.array([6, 2, 11])
    found = pictures(gallery, rows)
    assert [one.read() for one in found] == [content_of(row) for row in rows]
    assert found[1].file.name == "0.tar"


def test_a_row_without_metadata_or_outside_the_gallery_is_refused(gallery):
    with pytest.raises(LookupError, match=r"from 3 to 12 .* has 12"):
        gallery.records(np.array([12, 3]))
    with pytest.raises(LookupError, match=r"from -1 to 3 .* has 12"):
        gallery.vectors(np.array([3, -1]))
    path = gallery.path / "metadata" / "2.parquet"
    parquet.write_table(parquet.read_table(path).slice(0, 4), path)
    with pytest.raises(ValueError, match="has 4 rows, but row 6 is asked for"):
        gallery.records(np.array([11]))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="no readable parquet"):
        gallery.records(np.array([11]))
    path.unlink()
    with pytest.raises(FileNotFoundError, match="holds a gallery's metadata"):
        gallery.records(np.array([11]))


def test_a_row_is_that_of_the_gallery_whatever_the_source_calls_a_row(gallery):
    path = gallery.path / "metadata" / "2.parquet"
    table = parquet.read_table(path).append_column("row", [[100 + row for row in range(7)]])
    parquet.write_table(table, path)
    assert [one["row"] for one in gallery.records(np.array([11, 6]))] == [11, 6]


def test_rows_that_can_be_found_are_kept_under_a_name_that_tells_them(tmp_path):
    places = [write_kept(tmp_path, "one", np.array(rows), 3) for rows in ([0, 1], [0, 2], [0, 1])]
    assert places[0] == places[2] != places[1]
    assert [np.load(tmp_path / one).tolist() for one in places[:2]] == [[0, 1], [0, 2]]
    assert write_kept(tmp_path, "one", np.arange(3), 3) is None


def test_metadata_that_others_wrote_and_replaced_since_are_refused(gallery):
    path = gallery.path / "metadata" / "2.parquet"
    shards = list(gallery.shards)
    shards[2] = replace(shards[2], metadata_bytes=path.stat().st_size)
    noted = replace(gallery, shards=tuple(shards))
    row, expected = np.array([11]), gallery.records(np.array([11]))
    assert noted.records(row) == expected
    table = parquet.read_table(path)
    captions = pa.array(["of another picture"] * len(table))
    index = table.schema.get_field_index("caption")
    parquet.write_table(table.set_column(index, "caption", captions), path)
    with pytest.raises(ValueError, match=r"2\.parquet has \d+ bytes, but had \d+ when the gallery"):
        noted.records(row)
    # Earlier galleries do not say how long their metadata are.
    assert gallery.records(row)[0]["caption"] == "of another picture"


def test_a_picture_that_changed_since_is_refused_and_one_in_the_web_is_not_here(gallery, tmp_path):
    picture = pictures(gallery, np.array([7]))[0]
    (tmp_path / "source" / "7.jpg").write_bytes(b"picture 8")
    with pytest.raises(ValueError, match="another picture than when gallery row 7"):
        picture.read()
    (tmp_path / "source" / "7.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="holds the picture of gallery row 7"):
        picture.read()

    path = gallery.path / "metadata" / "2.parquet"
    table = parquet.read_table(path).drop(["path", "offset"])
    parquet.write_table(table.append_column("URL", [["http://a/b.jpg"] * 7]), path)
    picture = pictures(gallery, np.array([7]))[0]
    assert (picture.read(), picture.url) == (None, "http://a/b.jpg")
