"""Galleries of LAION's embeddings: named where they lie, filtered, and refused where they break."""

import hashlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.files import sha256_of
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.targets.clip import OFFLINE_CLIP

EVERYTHING = "--keep-unsafe"


def test_embeddings_stay_where_they_lie_and_rows_know_their_metadata(files, laion, build):
    gallery, screen = build(laion, EVERYTHING)
    assert gallery.num_kept == gallery.num_rows == sum(files.counts)
    assert (gallery.network, gallery.width) == ("openai-ViT-L-14", 16)
    rows = np.array([650, 2, 301])
    shards = [
        files.vectors.shard(n, count).astype(np.float32) for n, count in enumerate(files.counts)
    ]
    assert (gallery.vectors(rows) == np.concatenate(shards)[rows]).all()
    assert [one["caption"].split(" of ")[0] for one in gallery.records(rows)] == [
        f"made-up vector {row}" for row in rows
    ]
    assert pictures(gallery, rows)[0].url == "http://pictures.invalid/650.jpg"
    for number, shard in enumerate(gallery.shards):
        assert shard.embeddings == files.shard_of(laion, number)
        assert (
            shard.sha256 == hashlib.sha256(files.shard_of(laion, number).read_bytes()).hexdigest()
        )
    assert not [*gallery.path.rglob("*.npy")]
    assert "SIMULATED" in screen


def test_unsafe_rows_cannot_be_found_unless_that_is_asked_for(files, laion, build):
    tables = [parquet.read_table(files.table_of(laion, n)).to_pandas() for n in range(3)]
    tables[1].loc[[3, 5], "punsafe"] = None  # not known: not safe
    parquet.write_table(pa.Table.from_pandas(tables[1]), files.table_of(laion, 1))
    gallery, screen = build(laion)
    for shard, table in zip(gallery.shards, tables, strict=True):
        assert gallery.kept_rows(shard).tolist() == np.flatnonzero(table.punsafe <= 0.5).tolist()
    dropped = sum(int((~(table.punsafe <= 0.5)).sum()) for table in tables)
    assert f"dropped: unsafe {dropped}" in screen
    assert gallery.num_kept == 700 - dropped

    strict = ("--max-unsafe", "0.1", "--max-watermark", "0.8", "--min-similarity", "0.3")
    gallery, _ = build(laion, *strict, out="strict")
    for shard, table in zip(gallery.shards, tables, strict=True):
        good = (table.punsafe <= 0.1) & (table.pwatermark <= 0.8) & (table.similarity >= 0.3)
        assert gallery.kept_rows(shard).tolist() == np.flatnonzero(good).tolist()


def test_the_words_of_laion_400m_are_understood_and_what_has_none_is_left_out(
    files, tmp_path, build
):
    root = tmp_path / "l400"
    write_laion_shards(root, 200, vectors=files.vectors, columns="laion-400m")
    words = parquet.read_table(files.table_of(root, 0)).column("NSFW").to_pylist()
    words[:3] = [None, "?", "unlikely"]

    def change(table):
        place = table.schema.get_field_index("NSFW")
        return table.set_column(place, "NSFW", pa.array(words))

    files.rewrite_table(root, 0, change)
    gallery, _ = build(root, "--licence", "cc-by")
    table = parquet.read_table(files.table_of(root, 0)).to_pandas()
    good = table.NSFW.isin(["UNLIKELY", "unlikely"]) & (table.LICENSE == "cc-by")
    assert gallery.kept_rows(gallery.shards[0]).tolist() == np.flatnonzero(good).tolist()
    assert gallery.records(np.array([3]))[0]["TEXT"].startswith("made-up vector 3 ")
    assert pictures(gallery, np.array([3]))[0].url == "http://pictures.invalid/3.jpg"


def test_a_source_that_says_nothing_of_safety_is_refused_unless_all_may_stay(
    files, laion, build, refusal
):
    files.rewrite_table(laion, 2, lambda table: table.drop_columns(["punsafe"]))
    assert "metadata_0002.parquet says nothing of safety" in refusal(laion, out="half")
    for number in range(3):
        files.table_of(laion, number).unlink()
    assert "Pass --keep-unsafe" in refusal(laion)
    build(laion, EVERYTHING, out="all")
    assert "has no column" in refusal(laion, EVERYTHING, "--max-watermark", "1", out="other")


def pickled(files, root):
    np.save(files.shard_of(root, 1), np.array([{}] * 300, dtype=object), allow_pickle=True)


BROKEN = {
    "cut": (
        lambda files, root: files.cut(files.shard_of(root, 1), -20),
        r"img_emb_0001.npy \(9708 bytes\) cannot",
    ),
    "no header": (
        lambda files, root: files.cut(files.shard_of(root, 1), 3),
        "img_emb_0001.npy .* cannot be read",
    ),
    "empty": (
        lambda files, root: files.shard_of(root, 1).write_bytes(b""),
        "img_emb_0001.npy .* cannot be",
    ),
    "pickled": (pickled, "img_emb_0001.npy .* cannot be read as plain numbers"),
    "narrow": (
        lambda files, root: files.rewrite(root, 1, lambda v: v[:, :8]),
        "0001.npy has vectors of 8 num",
    ),
    "integers": (
        lambda files, root: files.rewrite(root, 1, lambda v: v.astype(int)),
        "0001.npy holds int64",
    ),
    "nan": (
        lambda files, root: files.rewrite(root, 1, files.with_row([7, 9], np.nan)),
        r"2 of 300 .* \(rows 7, 9\)",
    ),
    "zero": (
        lambda files, root: files.rewrite(root, 1, files.with_row(299, 0)),
        r"1 of 300 .* \(rows 299\)",
    ),
    "infinite": (
        lambda files, root: files.rewrite(root, 1, files.with_row((3, 2), np.inf)),
        r"\(rows 3\)",
    ),
    "long": (
        lambda files, root: files.rewrite(
            root, 1, files.with_row(5, files.vectors.shard(1, 6)[5] * 3)
        ),
        r"1 of 300 vectors do not have length 1 \(the furthest 3",
    ),
    "other network": (lambda files, root: files.rewrite(root, 1, np.negative), "has a cosine of -"),
    "short metadata": (
        lambda files, root: files.rewrite_table(root, 1, lambda table: table[:299]),
        "metadata_0001.parquet has 299 rows, but there are 300 vectors",
    ),
    "cut metadata": (
        lambda files, root: files.cut(files.table_of(root, 1), -9),
        "0001.parquet is no readable",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_shard_stops_with_its_name_and_the_gallery_before_is_intact(
    files, what, tmp_path, build, refusal, contents
):
    whole = tmp_path / "whole"
    write_laion_shards(whole, 100, vectors=files.vectors)
    gallery, _ = build(whole)
    before = contents(gallery.path)
    root = tmp_path / "laion"
    write_laion_shards(root, sum(files.counts), per_shard=files.counts[0], vectors=files.vectors)
    spoil, words = BROKEN[what]
    spoil(files, root)
    message = refusal(root)
    assert re.search(words, message), message
    left = contents(gallery.path)
    assert {name: left[name] for name in before} == before


def test_vectors_of_another_length_are_copied_where_that_is_asked_for(files, laion, build):
    files.rewrite(laion, 1, lambda vectors: vectors * np.float16(3))
    gallery, _ = build(laion, EVERYTHING, "--normalise")
    copy = gallery.shards[1]
    assert copy.embeddings.as_posix() == "embeddings/00001-img_emb_0001.npy"
    assert copy.sha256 == sha256_of(gallery.path / copy.embeddings)
    np.testing.assert_allclose(
        gallery.embeddings(copy).astype(float), files.vectors.shard(1, 300).astype(float), atol=2e-3
    )
    assert gallery.shards[0].embeddings == files.shard_of(laion, 0)


def test_rows_that_are_not_finite_can_be_left_out(files, laion, build):
    files.rewrite(laion, 1, files.with_row([7, 9], np.nan))
    gallery, screen = build(laion, EVERYTHING, "--drop-broken")
    assert gallery.kept_rows(gallery.shards[1]).tolist() == [
        row for row in range(300) if row not in (7, 9)
    ]
    assert "not finite 2" in screen
    assert gallery.num_kept == 698


def test_a_quick_build_reads_samples_and_says_so_in_the_checksum(files, laion, build):
    gallery, _ = build(laion, "--quick")
    assert all(shard.sha256.startswith("quick:") for shard in gallery.shards)
    files.rewrite(laion, 0, files.with_row(0, np.nan))
    with pytest.raises(SystemExit):
        build(laion, "--quick", out="again")


def test_a_clip_that_makes_other_vectors_is_refused(laion, refusal):
    message = refusal(laion, "--clip", str(OFFLINE_CLIP))
    assert "has vectors of 16 numbers" in message
    assert "makes 128" in message
    assert "Leave --network out" in refusal(laion, "--clip", "a", "--network", "b")


def test_limits_beyond_a_probability_are_refused(laion, refusal):
    assert "max_unsafe is 1.5" in refusal(laion, "--max-unsafe", "1.5")


def test_a_dry_run_counts_vectors_and_writes_nothing(laion, build, tmp_path):
    _, screen = build(laion, "--dry-run")
    assert "3 shards" in screen
    assert "700 vectors of 16 numbers, by openai-ViT-L-14" in screen
    assert not (tmp_path / "gallery").exists()
