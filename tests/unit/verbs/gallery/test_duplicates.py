"""`mindeye gallery duplicates` on the command line."""

from functools import partial

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mindeye.cli import main
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.verbs.gallery import duplicates

VECTORS = ClusteredVectors(width=16, num_clusters=5)


@pytest.fixture
def gallery(tmp_path):
    """Two shards, of which the second repeats eight vectors of the first."""
    root, out = tmp_path / "laion", tmp_path / "gallery"
    write_laion_shards(root, 200, per_shard=100, vectors=VECTORS)
    again = np.load(root / "img_emb" / "img_emb_0001.npy")
    again[10:18] = np.load(root / "img_emb" / "img_emb_0000.npy")[:8]
    np.save(root / "img_emb" / "img_emb_0001.npy", again)
    main(["gallery", "build", str(root), "--out", str(out)])
    return open_gallery(out)


def perform(gallery, *options):
    main(["gallery", "duplicates", str(gallery.path), *options])
    return open_gallery(gallery.path)


def test_what_is_no_gallery_is_refused_and_not_made(tmp_path):
    for change in (duplicates.undo_duplicates, partial(duplicates.drop_duplicates, above=0.9)):
        with pytest.raises(FileNotFoundError, match="is no gallery"):
            change(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_what_is_alike_cannot_be_found_and_a_table_says_what_stays(gallery, capsys):
    kept = [set(gallery.kept_rows(shard).tolist()) for shard in gallery.shards]
    expected = {10 + row for row in range(8) if row in kept[0]} & kept[1]
    dropped = perform(gallery, "--above", "0.9999")
    assert dropped.shards[0].num_kept == gallery.shards[0].num_kept
    assert set(dropped.kept_rows(dropped.shards[1]).tolist()) == kept[1] - expected
    assert dropped.num_kept == gallery.num_kept - len(expected)
    lines = (gallery.path / "duplicates.tsv").read_text().splitlines()[1:]
    assert sorted(tuple(map(int, line.split("\t")[:2])) for line in lines) == sorted(
        (100 + row, row - 10) for row in expected
    )
    assert f"cosine of 0.9999 or more {len(expected)}" in capsys.readouterr().out
    assert not (gallery.path / "duplicates").exists()


def test_another_threshold_starts_from_the_filters_and_undo_gives_everything_back(gallery):
    perform(gallery, "--above", "0.5")
    again = perform(gallery, "--above", "0.9999")
    fresh = perform(perform(gallery, "--undo"), "--above", "0.9999")
    assert again == fresh
    assert perform(gallery, "--undo").shards == gallery.shards
    assert "duplicates" not in open_gallery(gallery.path).about


def test_a_large_gallery_needs_an_index_or_the_word_that_every_pair_is_compared(
    gallery, monkeypatch, capsys
):
    monkeypatch.setattr(duplicates, "EXACT_UP_TO", 10)
    with pytest.raises(SystemExit) as caught:
        perform(gallery)
    assert caught.value.code == 2
    assert "vectors and no index" in capsys.readouterr().err
    every = perform(gallery, "--exact", "--above", "0.9999")
    assert every.about["duplicates"]["engine"] == "every pair"


def test_an_index_is_asked_in_a_large_gallery(gallery, monkeypatch):
    exact = perform(gallery, "--above", "0.995")
    perform(gallery, "--undo")

    class Index:
        about = "some index"

        def __init__(self, gallery):
            self.search = ExactIndex(gallery).search

    from mindeye.retrieval.gallery.index import folder as index_folder

    monkeypatch.setattr(index_folder, "open_index", Index)
    monkeypatch.setattr(duplicates, "EXACT_UP_TO", 10)
    found = perform(gallery, "--above", "0.995")
    assert found.about["duplicates"]["engine"] == "some index"
    assert [shard.kept for shard in found.shards] == [shard.kept for shard in exact.shards]


def test_a_dry_run_counts_pairs_and_nonsense_is_refused(gallery, capsys, contents):
    before = contents(gallery.path)
    perform(gallery, "--dry-run")
    assert f"{gallery.num_kept * (gallery.num_kept - 1) // 2:,} pairs" in capsys.readouterr().out
    for options in (("--above", "1.2"), ("--undo", "--exact")):
        with pytest.raises(SystemExit) as caught:
            perform(gallery, *options)
        assert caught.value.code == 2
    assert contents(gallery.path) == before


def test_shards_that_are_added_while_duplicates_are_looked_for_are_not_lost(gallery, tmp_path):
    def added(done, total):
        write_laion_shards(tmp_path / "more", 50, per_shard=50, vectors=VECTORS)
        main(["gallery", "build", str(tmp_path / "more"), "--out", str(gallery.path)])

    with pytest.raises(ValueError, match="built or filtered further while its 200 rows"):
        duplicates.drop_duplicates(gallery.path, above=0.9, progress=added)
    assert open_gallery(gallery.path).num_rows == 250


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_a_gallery_of_which_filters_left_nothing_is_refused(option, tmp_path, capsys):
    write_laion_shards(tmp_path / "laion", 40, per_shard=40, vectors=VECTORS)
    out = tmp_path / "gallery"
    main(["gallery", "build", str(tmp_path / "laion"), "--out", str(out), "--max-unsafe", "0"])
    with pytest.raises(SystemExit):
        main(["gallery", "duplicates", str(out), *option])
    assert "None of the 40 vectors" in capsys.readouterr().err


def test_a_search_that_was_stopped_lends_nothing_to_one_of_another_threshold(gallery):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        duplicates.drop_duplicates(gallery.path, above=0.5, progress=stop)
    strict = perform(gallery, "--above", "0.9999")
    assert strict == perform(perform(gallery, "--undo"), "--above", "0.9999")


def test_rows_of_one_address_are_dropped_however_unlike_their_vectors_are(gallery):
    path = gallery.path / gallery.shards[0].metadata
    first, other = gallery.kept_rows(gallery.shards[0])[[0, 5]].tolist()
    hashes = [*range(100)]
    hashes[other] = hashes[first]
    table = parquet.read_table(path)
    place = table.schema.get_field_index("hash")
    table = table.remove_column(place) if place >= 0 else table
    parquet.write_table(table.append_column("hash", [hashes]), path)
    dropped = perform(gallery, "--above", "1")
    assert first in dropped.kept_rows(dropped.shards[0])
    assert other not in dropped.kept_rows(dropped.shards[0])
    lines = (gallery.path / "duplicates.tsv").read_text().splitlines()
    assert f"{other}\t{first}\t1.0000\tsame picture" in lines


def test_undo_gives_back_everything_also_where_shards_were_added_since(gallery, tmp_path, capsys):
    perform(gallery, "--above", "0.9999")
    write_laion_shards(tmp_path / "more", 50, per_shard=50, vectors=VECTORS)
    main(["gallery", "build", str(tmp_path / "more"), "--out", str(gallery.path)])
    grown = open_gallery(gallery.path)
    capsys.readouterr()
    back = perform(gallery, "--undo")
    assert "SIMULATED" in capsys.readouterr().out
    assert back.shards == (*gallery.shards, grown.shards[-1])
    assert not (gallery.path / "duplicates.tsv").exists()
    assert perform(gallery, "--above", "0.9999").num_rows == 250
    assert "SIMULATED" in capsys.readouterr().out
