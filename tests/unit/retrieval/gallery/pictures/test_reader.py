"""Pictures of rows, some of them here and some in the web: each comes to its own row."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from mindeye.files import sha256_of
from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery
from mindeye.retrieval.gallery.pictures import reader
from mindeye.retrieval.gallery.pictures.download import Downloader
from mindeye.retrieval.gallery.pictures.outcomes import Fetched
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.retrieval.gallery.pictures.reader import PictureReader


def plain(value: int) -> np.ndarray:
    return np.full((3, 5, 3), value, dtype=np.uint8)


@dataclass
class Told(Downloader):
    """Fetches nothing: the picture at `http://web/N` is all N."""

    urls: list = field(default_factory=list)

    def fetch_all(self, urls):
        self.urls += urls
        return [Fetched(plain(int(url.rpartition("/")[2])), None) for url in urls]


@pytest.fixture
def gallery(tmp_path):
    """Of six pictures, all with an address, the files of rows 1 and 4 are here."""
    for row in (1, 4):
        Image.fromarray(plain(100 + row)).save(tmp_path / f"{row}.png")
    here = [row in (1, 4) for row in range(6)]
    files = [tmp_path / f"{row}.png" for row in range(6)]
    columns = {
        "path": [file.name if one else None for file, one in zip(files, here)],
        "sha256": [sha256_of(file) if one else None for file, one in zip(files, here)],
        "size": [file.stat().st_size if one else None for file, one in zip(files, here)],
        "url": [f"http://web/{row}" for row in range(6)],
        "URL": ["http://web/elsewhere"] * 6,
    }
    parquet.write_table(pa.table(columns), tmp_path / "0.parquet")
    np.save(tmp_path / "0.npy", np.eye(6, dtype=np.float16))
    shard = GalleryShard(
        name="0",
        first=0,
        count=6,
        num_kept=6,
        embeddings=Path("0.npy"),
        metadata=Path("0.parquet"),
        sha256="",
    )
    about = {"sources": [{"pictures": str(tmp_path)}]}
    return write_gallery(tmp_path, network="n", width=6, shards=[shard], about=about)


def test_what_is_here_is_read_and_the_rest_fetched_together_each_for_its_row(gallery, tmp_path):
    told = Told(tmp_path / "cache")
    found = PictureReader(gallery=gallery, downloader=told).read(np.array([5, 1, 0, 4]))
    assert [int(one.picture[0, 0, 0]) for one in found] == [5, 101, 0, 104]
    assert told.urls == ["http://web/5", "http://web/0"]
    bare = PictureReader(gallery=gallery).read(np.array([5, 1]))
    assert bare[0] == Fetched(None, "only its address is known, and nothing is fetched")
    assert bare[1].why is None


def test_a_file_that_is_gone_is_fetched_or_may_come_back(gallery, tmp_path):
    (tmp_path / "4.png").unlink()
    path = gallery.path / "0.parquet"
    parquet.write_table(parquet.read_table(path).drop_columns(["url", "URL"]), path)
    (gone,) = PictureReader(gallery=gallery).read(np.array([4]))
    assert "4.png is missing" in gone.why
    assert gone.passing
    (nowhere,) = PictureReader(gallery=gallery).read(np.array([0]))
    assert (nowhere.why, nowhere.passing) == (
        "the gallery knows neither its file nor its address",
        False,
    )


def test_vectors_that_came_without_pictures_have_no_files_whatever_they_name(gallery):
    bare = write_gallery(
        gallery.path,
        network="n",
        width=6,
        shards=gallery.shards,
        about={"sources": [{"pictures": None}]},
    )
    (place,) = pictures(bare, np.array([1]))
    assert (place.file, place.read(), place.url) == (None, None, "http://web/1")


def test_an_empty_address_is_none_and_the_other_column_is_looked_at(gallery):
    path = gallery.path / "0.parquet"
    table = parquet.read_table(path)
    place = table.schema.get_field_index("url")
    parquet.write_table(table.set_column(place, "url", [[None, "", *["http://a"] * 4]]), path)
    assert [one.url for one in pictures(gallery, np.arange(3))] == [
        "http://web/elsewhere",
        "http://web/elsewhere",
        "http://a",
    ]


def test_a_picture_a_little_too_large_is_averaged_too(gallery, monkeypatch):
    monkeypatch.setattr(reader, "MOST_PIXELS", 14)  # it has 15
    (found,) = PictureReader(gallery=gallery).read(np.array([1]))
    assert found.picture.shape == (2, 3, 3)
    assert (found.picture == 101).all()
