"""Galleries of LAION's embeddings: named where they lie, filtered, and refused where they break."""

import hashlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.cli import main
from mindeye.files import sha256_of
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.retrieval.gallery.sources import take_vectors
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.targets.clip import OFFLINE_CLIP

VECTORS = ClusteredVectors(width=16, num_clusters=5, mean_length=1.0)
COUNTS = (300, 300, 100)
EVERYTHING = "--keep-unsafe"


@pytest.fixture
def laion(tmp_path):
    root = tmp_path / "laion"
    write_laion_shards(root, sum(COUNTS), per_shard=COUNTS[0], vectors=VECTORS)
    return root


@pytest.fixture
def build(tmp_path, capsys):
    """Builds through the command line; gives the gallery, if there is one, and the screen."""

    def _build(source, *options, out="gallery"):
        main(["gallery", "build", str(source), "--out", str(tmp_path / out), *options])
        there = (tmp_path / out / "gallery.json").is_file()
        return open_gallery(tmp_path / out) if there else None, capsys.readouterr().out

    return _build


@pytest.fixture
def refusal(tmp_path, capsys):
    """The one message of a build that is refused."""

    def _refusal(source, *options, out="gallery"):
        with pytest.raises(SystemExit) as caught:
            main(["gallery", "build", str(source), "--out", str(tmp_path / out), *options])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error.split("mindeye: ")[1]

    return _refusal


def shard_of(root, number):
    return root / "img_emb" / f"img_emb_{number:04d}.npy"


def table_of(root, number):
    return root / "metadata" / f"metadata_{number:04d}.parquet"


def rewrite(root, number, change):
    vectors = np.load(shard_of(root, number))
    np.save(shard_of(root, number), change(vectors))


def rewrite_table(root, number, change):
    parquet.write_table(change(parquet.read_table(table_of(root, number))), table_of(root, number))


def with_row(row, value):
    def change(vectors):
        vectors[row] = value
        return vectors

    return change


def test_embeddings_stay_where_they_lie_and_rows_know_their_metadata(laion, build):
    gallery, screen = build(laion, EVERYTHING)
    assert gallery.num_kept == gallery.num_rows == sum(COUNTS)
    assert (gallery.network, gallery.width) == ("openai-ViT-L-14", 16)
    rows = np.array([650, 2, 301])
    shards = [VECTORS.shard(n, count).astype(np.float32) for n, count in enumerate(COUNTS)]
    assert (gallery.vectors(rows) == np.concatenate(shards)[rows]).all()
    assert [one["caption"].split(" of ")[0] for one in gallery.records(rows)] == [
        f"made-up vector {row}" for row in rows
    ]
    assert pictures(gallery, rows)[0].url == "http://pictures.invalid/650.jpg"
    for number, shard in enumerate(gallery.shards):
        assert shard.embeddings == shard_of(laion, number)
        assert shard.sha256 == hashlib.sha256(shard_of(laion, number).read_bytes()).hexdigest()
    assert not [*gallery.path.rglob("*.npy")]
    assert "SIMULATED" in screen


def test_unsafe_rows_cannot_be_found_unless_that_is_asked_for(laion, build):
    tables = [parquet.read_table(table_of(laion, n)).to_pandas() for n in range(3)]
    tables[1].loc[[3, 5], "punsafe"] = None  # not known: not safe
    parquet.write_table(pa.Table.from_pandas(tables[1]), table_of(laion, 1))
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


def test_the_words_of_laion_400m_are_understood_and_what_has_none_is_left_out(tmp_path, build):
    root = tmp_path / "l400"
    write_laion_shards(root, 200, vectors=VECTORS, columns="laion-400m")
    words = parquet.read_table(table_of(root, 0)).column("NSFW").to_pylist()
    words[:3] = [None, "?", "unlikely"]

    def change(table):
        place = table.schema.get_field_index("NSFW")
        return table.set_column(place, "NSFW", pa.array(words))

    rewrite_table(root, 0, change)
    gallery, _ = build(root, "--licence", "cc-by")
    table = parquet.read_table(table_of(root, 0)).to_pandas()
    good = table.NSFW.isin(["UNLIKELY", "unlikely"]) & (table.LICENSE == "cc-by")
    assert gallery.kept_rows(gallery.shards[0]).tolist() == np.flatnonzero(good).tolist()
    assert gallery.records(np.array([3]))[0]["TEXT"].startswith("made-up vector 3 ")
    assert pictures(gallery, np.array([3]))[0].url == "http://pictures.invalid/3.jpg"


def test_a_source_that_says_nothing_of_safety_is_refused_unless_all_may_stay(laion, build, refusal):
    rewrite_table(laion, 2, lambda table: table.drop_columns(["punsafe"]))
    assert "metadata_0002.parquet says nothing of safety" in refusal(laion, out="half")
    for number in range(3):
        table_of(laion, number).unlink()
    assert "Pass --keep-unsafe" in refusal(laion)
    build(laion, EVERYTHING, out="all")
    assert "has no column" in refusal(laion, EVERYTHING, "--max-watermark", "1", out="other")


def cut(path, num_bytes):
    content = path.read_bytes()
    path.write_bytes(content[:num_bytes])


def pickled(root):
    np.save(shard_of(root, 1), np.array([{}] * 300, dtype=object), allow_pickle=True)


BROKEN = {
    "cut": (lambda root: cut(shard_of(root, 1), -20), r"img_emb_0001.npy \(9708 bytes\) cannot"),
    "no header": (lambda root: cut(shard_of(root, 1), 3), "img_emb_0001.npy .* cannot be read"),
    "empty": (lambda root: shard_of(root, 1).write_bytes(b""), "img_emb_0001.npy .* cannot be"),
    "pickled": (pickled, "img_emb_0001.npy .* cannot be read as plain numbers"),
    "narrow": (lambda root: rewrite(root, 1, lambda v: v[:, :8]), "0001.npy has vectors of 8 num"),
    "integers": (lambda root: rewrite(root, 1, lambda v: v.astype(int)), "0001.npy holds int64"),
    "nan": (lambda root: rewrite(root, 1, with_row([7, 9], np.nan)), r"2 of 300 .* \(rows 7, 9\)"),
    "zero": (lambda root: rewrite(root, 1, with_row(299, 0)), r"1 of 300 .* \(rows 299\)"),
    "infinite": (lambda root: rewrite(root, 1, with_row((3, 2), np.inf)), r"\(rows 3\)"),
    "long": (
        lambda root: rewrite(root, 1, with_row(5, VECTORS.shard(1, 6)[5] * 3)),
        r"1 of 300 vectors do not have length 1 \(the furthest 3",
    ),
    "other network": (lambda root: rewrite(root, 1, np.negative), "has a cosine of -"),
    "short metadata": (
        lambda root: rewrite_table(root, 1, lambda table: table[:299]),
        "metadata_0001.parquet has 299 rows, but there are 300 vectors",
    ),
    "cut metadata": (lambda root: cut(table_of(root, 1), -9), "0001.parquet is no readable"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_shard_stops_with_its_name_and_the_gallery_before_is_intact(
    what, tmp_path, build, refusal, contents
):
    whole = tmp_path / "whole"
    write_laion_shards(whole, 100, vectors=VECTORS)
    gallery, _ = build(whole)
    before = contents(gallery.path)
    root = tmp_path / "laion"
    write_laion_shards(root, sum(COUNTS), per_shard=COUNTS[0], vectors=VECTORS)
    spoil, words = BROKEN[what]
    spoil(root)
    message = refusal(root)
    assert re.search(words, message), message
    left = contents(gallery.path)
    assert {name: left[name] for name in before} == before


def test_vectors_of_another_length_are_copied_where_that_is_asked_for(laion, build):
    rewrite(laion, 1, lambda vectors: vectors * np.float16(3))
    gallery, _ = build(laion, EVERYTHING, "--normalise")
    copy = gallery.shards[1]
    assert copy.embeddings.as_posix() == "embeddings/00001-img_emb_0001.npy"
    assert copy.sha256 == sha256_of(gallery.path / copy.embeddings)
    np.testing.assert_allclose(
        gallery.embeddings(copy).astype(float), VECTORS.shard(1, 300).astype(float), atol=2e-3
    )
    assert gallery.shards[0].embeddings == shard_of(laion, 0)


def test_rows_that_are_not_finite_can_be_left_out(laion, build):
    rewrite(laion, 1, with_row([7, 9], np.nan))
    gallery, screen = build(laion, EVERYTHING, "--drop-broken")
    assert gallery.kept_rows(gallery.shards[1]).tolist() == [
        row for row in range(300) if row not in (7, 9)
    ]
    assert "not finite 2" in screen
    assert gallery.num_kept == 698


def test_a_quick_build_reads_samples_and_says_so_in_the_checksum(laion, build):
    gallery, _ = build(laion, "--quick")
    assert all(shard.sha256.startswith("quick:") for shard in gallery.shards)
    rewrite(laion, 0, with_row(0, np.nan))
    with pytest.raises(SystemExit):
        build(laion, "--quick", out="again")


def test_shards_that_follow_later_come_behind_and_a_second_build_does_nothing(laion, build):
    gallery, _ = build(laion)
    kept = [gallery.kept_rows(shard) for shard in gallery.shards]
    assert "has all of" in build(laion)[1]
    write_laion_shards(laion, 700 + 200, per_shard=COUNTS[0], vectors=VECTORS)
    # The shard of 100 is another file now: the rows that follow it would move.
    with pytest.raises(SystemExit):
        build(laion)

    np.save(shard_of(laion, 2), VECTORS.shard(2, 100))
    rewrite_table(laion, 2, lambda table: table[:100])
    np.save(shard_of(laion, 3), VECTORS.shard(3, 50))
    table = parquet.read_table(table_of(laion, 0))[:50]
    parquet.write_table(table, table_of(laion, 3))
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


def test_a_broken_shard_can_be_mended_or_let_pass_and_the_build_goes_on(laion, build, refusal):
    whole = shard_of(laion, 1).read_bytes()
    cut(shard_of(laion, 1), 500)
    refusal(laion)
    shard_of(laion, 1).write_bytes(whole)
    rewrite(laion, 2, with_row(4, np.nan))
    assert "pass --drop-broken" in refusal(laion)
    assert "with another filters" in refusal(laion, "--drop-broken", "--keep-unsafe")
    gallery, _ = build(laion, "--drop-broken")
    assert gallery.num_rows == 700
    assert 4 not in gallery.kept_rows(gallery.shards[2])


def test_a_shard_that_changed_while_the_gallery_was_built_is_read_again(laion, build, refusal):
    cut(shard_of(laion, 1), 500)
    refusal(laion)
    np.save(shard_of(laion, 0), VECTORS.shard(7, 200))
    rewrite_table(laion, 0, lambda table: table[:200])
    np.save(shard_of(laion, 1), VECTORS.shard(1, 300))
    gallery, _ = build(laion)
    assert (gallery.shards[0].count, gallery.num_rows) == (200, 600)


def test_a_shard_whose_metadata_were_replaced_meanwhile_is_judged_again(laion, build, refusal):
    cut(shard_of(laion, 1), 500)
    refusal(laion)  # the first shard is whole

    def all_unsafe(table):
        place = table.schema.get_field_index("punsafe")
        return table.set_column(place, "punsafe", pa.array([1.0] * len(table)))

    rewrite_table(laion, 0, all_unsafe)
    np.save(shard_of(laion, 1), VECTORS.shard(1, 300))
    gallery, _ = build(laion)
    assert gallery.shards[0].num_kept == 0
    assert gallery.shards[1].num_kept > 0


def test_a_gallery_of_another_network_or_width_is_not_added_to(laion, build, refusal, tmp_path):
    build(laion)
    other = tmp_path / "other"
    write_laion_shards(other, 20, vectors=ClusteredVectors(width=8, num_clusters=5))
    assert "openai-ViT-L-14 (16 numbers each), not of openai-ViT-L-14 (8)" in refusal(other)
    assert "not of bigG (16)" in refusal(laion, "--network", "bigG")


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
