"""What is taken for a source, and in which order."""

from pathlib import Path

import pytest

from mindeye.retrieval.gallery.sources.sources import open_source


@pytest.fixture
def root(tmp_path):
    def write(*names: str) -> Path:
        for place, name in enumerate(names):
            path = tmp_path / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * (place + 1))
        return tmp_path / "source"

    return write


def test_hidden_files_and_folders_are_no_pictures(root):
    source = open_source(root("b.JPG", "a.png", "._a.png", ".trash/c.png", "deep/d.webp", "e.txt"))
    assert source.form == "folder"
    assert [one.files for one in source.shards] == [("a.png", "b.JPG", "deep/d.webp")]
    assert source.num_bytes == 1 + 2 + 5


def test_files_of_embeddings_come_by_their_number(root):
    names = [f"img_emb/img_emb_{number}.npy" for number in (10, 9, 100)]
    source = open_source(root(*names, "metadata/metadata_9.parquet"))
    assert source.form == "laion"
    assert [one.name for one in source.shards] == ["img_emb_9", "img_emb_10", "img_emb_100"]
    told = [(one.metadata, one.metadata_bytes) for one in source.shards]
    assert told == [("metadata/metadata_9.parquet", 4), (None, 0), (None, 0)]


def test_two_files_of_one_number_are_refused(root):
    with pytest.raises(ValueError, match=r"holds both a/img_emb_1\.npy and b/img_emb_01\.npy"):
        open_source(root("a/img_emb_1.npy", "b/img_emb_01.npy"))


def test_a_tar_without_its_table_is_refused_unless_tables_are_not_asked_for(root):
    path = root("0.tar", "0.parquet", "1.tar")
    with pytest.raises(ValueError, match=r"1\.tar has no 1\.parquet beside it"):
        open_source(path)
    source = open_source(path, "webdataset")
    assert [one.metadata for one in source.shards] == [None, None]


def test_one_file_is_a_source_of_its_own(root):
    source = open_source(root("0.tar", "1.tar") / "1.tar")
    assert [one.files for one in source.shards] == [("1.tar",)]
    assert source.root.name == "source"


def test_a_listing_tells_every_change_of_names_and_bytes(root):
    path = root("img_emb/img_emb_0.npy", "metadata/metadata_0.parquet")
    listings = {open_source(path).listing}
    (path / "metadata" / "metadata_0.parquet").write_bytes(b"other")
    listings.add(open_source(path).listing)
    (path / "img_emb" / "img_emb_0.npy").write_bytes(b"other")
    listings.add(open_source(path).listing)
    (path / "metadata" / "metadata_0.parquet").unlink()
    listings.add(open_source(path).listing)
    assert len(listings) == 4
