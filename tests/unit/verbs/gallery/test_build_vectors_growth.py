"""Galleries of LAION's embeddings that grow, were stopped, or whose files changed."""

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.files import one_at_a_time
from mindeye.retrieval.gallery.sources import building, take_vectors
from mindeye.retrieval.gallery.sources.sources import open_source
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.laion_shards import write_laion_shards

EVERYTHING = "--keep-unsafe"


def test_shards_that_follow_later_come_behind_and_a_second_build_does_nothing(files, laion, build):
    gallery, _ = build(laion)
    kept = [gallery.kept_rows(shard) for shard in gallery.shards]
    assert "has all of" in build(laion)[1]
    write_laion_shards(laion, 700 + 200, per_shard=files.counts[0], vectors=files.vectors)
    # The shard of 100 is another file now: the rows that follow it would move.
    with pytest.raises(SystemExit):
        build(laion)

    np.save(files.shard_of(laion, 2), files.vectors.shard(2, 100))
    files.rewrite_table(laion, 2, lambda table: table[:100])
    np.save(files.shard_of(laion, 3), files.vectors.shard(3, 50))
    table = parquet.read_table(files.table_of(laion, 0))[:50]
    parquet.write_table(table, files.table_of(laion, 3))
    gallery, _ = build(laion)
    assert [shard.first for shard in gallery.shards] == [0, 300, 600, 700]
    assert [shard.name[:5] for shard in gallery.shards] == ["00000", "00001", "00002", "00003"]
    for shard, rows in zip(gallery.shards, kept, strict=False):
        assert (gallery.kept_rows(shard) == rows).all()


def test_a_stopped_build_goes_on_and_ends_with_the_same_bytes(
    laion, build, contents, monkeypatch, tmp_path
):
    build(laion, out="whole")
    plain, calls = take_vectors.kept_rows, iter(range(99))

    def failing(*given, **named):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return plain(*given, **named)

    monkeypatch.setattr(take_vectors, "kept_rows", failing)
    with pytest.raises(SystemExit):
        build(laion)
    monkeypatch.setattr(take_vectors, "kept_rows", plain)
    checked = []
    monkeypatch.setattr(
        take_vectors,
        "check_vectors",
        lambda path, real=take_vectors.check_vectors, **named: (
            checked.append(path.name) or real(path, **named)
        ),
    )
    build(laion)
    assert checked == ["img_emb_0002.npy"]
    assert contents(tmp_path / "gallery") == contents(tmp_path / "whole")


def test_a_broken_shard_can_be_mended_or_let_pass_and_the_build_goes_on(
    files, laion, build, refusal
):
    whole = files.shard_of(laion, 1).read_bytes()
    files.cut(files.shard_of(laion, 1), 500)
    refusal(laion)
    files.shard_of(laion, 1).write_bytes(whole)
    files.rewrite(laion, 2, files.with_row(4, np.nan))
    assert "pass --drop-broken" in refusal(laion)
    assert "with another filters" in refusal(laion, "--drop-broken", "--keep-unsafe")
    gallery, _ = build(laion, "--drop-broken")
    assert gallery.num_rows == 700
    assert 4 not in gallery.kept_rows(gallery.shards[2])


def test_a_shard_that_changed_while_the_gallery_was_built_is_read_again(
    files, laion, build, refusal
):
    files.cut(files.shard_of(laion, 1), 500)
    refusal(laion)
    np.save(files.shard_of(laion, 0), files.vectors.shard(7, 200))
    files.rewrite_table(laion, 0, lambda table: table[:200])
    np.save(files.shard_of(laion, 1), files.vectors.shard(1, 300))
    gallery, _ = build(laion)
    assert (gallery.shards[0].count, gallery.num_rows) == (200, 600)


def test_a_shard_whose_metadata_were_replaced_meanwhile_is_judged_again(
    files, laion, build, refusal
):
    files.cut(files.shard_of(laion, 1), 500)
    refusal(laion)  # the first shard is whole

    def all_unsafe(table):
        place = table.schema.get_field_index("punsafe")
        return table.set_column(place, "punsafe", pa.array([1.0] * len(table)))

    files.rewrite_table(laion, 0, all_unsafe)
    np.save(files.shard_of(laion, 1), files.vectors.shard(1, 300))
    gallery, _ = build(laion)
    assert gallery.shards[0].num_kept == 0
    assert gallery.shards[1].num_kept > 0


def test_a_gallery_of_another_network_or_width_is_not_added_to(laion, build, refusal, tmp_path):
    build(laion)
    other = tmp_path / "other"
    write_laion_shards(other, 20, vectors=ClusteredVectors(width=8, num_clusters=5))
    assert "openai-ViT-L-14 (16 numbers each), not of openai-ViT-L-14 (8)" in refusal(other)
    assert "not of bigG (16)" in refusal(laion, "--network", "bigG")


def test_a_build_of_other_settings_that_begins_meanwhile_is_not_mixed_with_the_first(
    laion, build, refusal, monkeypatch
):
    """Of two processes that begin before any shard is whole."""
    check, begun = take_vectors.check_vectors, []

    def slow(path, **options):
        if not begun:
            begun.append(path)
            build(laion, "--max-unsafe", "0.3", "--shard-index", "1", "--num-shards", "3")
        return check(path, **options)

    monkeypatch.setattr(take_vectors, "check_vectors", slow)
    assert "is being built from" in refusal(laion, "--shard-index", "0", "--num-shards", "3")
    gallery, _ = build(laion, "--max-unsafe", "0.3")
    expected, _ = build(laion, "--max-unsafe", "0.3", out="alone")
    assert [one.num_kept for one in gallery.shards] == [one.num_kept for one in expected.shards]


def test_a_shard_that_ends_while_another_process_begins_alike_is_kept(laion, build, monkeypatch):
    build(laion, "--shard-index", "1", "--num-shards", "3")
    # What the second process saw a moment before the first was at its end.
    monkeypatch.setattr(building, "_has_shards", lambda path, number: False)
    for index in ("0", "2"):
        gallery, _ = build(laion, "--shard-index", index, "--num-shards", "3")
    assert gallery.num_rows == 700


def test_a_shard_is_recorded_when_no_other_process_is_beginning(laion, tmp_path):
    how = {"network": "n", "width": 16, "settings": {}}
    begun = building.begin(tmp_path / "gallery", open_source(laion), **how)
    shard = building.GalleryShard(
        name=begun.name_of(0), first=0, count=1, num_kept=1, embeddings=Path("a"), sha256="b"
    )
    built = building.BuiltShard(shard=shard, skipped={}, dropped={})
    recording = threading.Thread(target=begun.record, args=(0, built))
    with one_at_a_time(begun.out):
        recording.start()
        recording.join(0.1)
        assert begun.missing() == [0, 1, 2]
    recording.join(10)
    assert begun.missing() == [1, 2]
