"""Galleries of several sources: what each adds, what is remembered of it, what is left behind."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mindeye.retrieval.gallery.sources import building
from mindeye.retrieval.gallery.sources.sources import open_source
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.targets.clip import load_clip
from mindeye.verbs.gallery import build as verb

EVERYTHING = "--keep-unsafe"


def test_a_gallery_of_simulated_and_other_pictures_stays_marked(folder, tars, build):
    (folder / "SIMULATED.json").write_text('{"seed": 1}')
    build(folder)
    gallery, screen = build(tars)
    assert gallery.about["simulated"] == {"seed": 1}
    assert [one["simulated"] for one in gallery.about["sources"]] == [{"seed": 1}, None]
    assert "SIMULATED" in screen


def test_a_tar_without_pictures_is_no_shard_and_the_next_has_a_number_of_its_own(
    drawn, tars, build
):
    drawn.write_tar(tars / "00001.tar", [], [("a.txt", b"no picture")])
    gallery, _ = build(tars)
    assert [one.count for one in gallery.shards] == [4, 2]
    assert "has all of" in build(tars)[1]
    drawn.write_tar(tars / "00003.tar", range(9, 11))
    gallery, _ = build(tars)
    assert [one.name[:5] for one in gallery.shards] == ["00000", "00002", "00003"]
    assert [one.source for one in gallery.shards] == [0, 0, 1]


def test_a_source_that_grows_again_and_again_adds_only_what_is_new(drawn, tars, build):
    for number in (3, 4, 5):
        gallery, _ = build(tars)
        assert gallery.num_rows == 9 + number - 3
        assert gallery.about["sources"][-1]["vectors"] == (9 if number == 3 else 1)
        drawn.write_tar(tars / f"{number:05d}.tar", [number + 6])


def test_of_each_source_is_told_how_many_vectors_can_be_found(laion, build):
    gallery, _ = build(laion)
    (source,) = gallery.about["sources"]
    assert source["vectors"] == gallery.num_rows == 700
    assert source["kept"] == gallery.num_kept < 700


def test_no_work_in_progress_is_left_behind(tars, build):
    gallery, _ = build(tars)
    work = gallery.path / "building"
    assert not work.exists()
    # As a kill leaves it that comes when the shards are named, but not swept yet.
    work.mkdir()
    (work / "source.json").write_text("{}")
    build(tars)
    assert not work.exists()


def test_of_two_processes_that_end_together_the_second_adds_nothing(laion, tmp_path):
    how = {"network": "n", "width": 16, "settings": {}}
    first, second = (building.begin(tmp_path / "gallery", open_source(laion), **how) for _ in "ab")
    for number in range(3):
        name = first.name_of(number)
        shard = building.GalleryShard(
            name=name, first=0, count=1, num_kept=1, embeddings=Path("a"), sha256="b"
        )
        built = building.BuiltShard(shard=shard, skipped={}, dropped={})
        first.record(number, built)
    named = first.finish()
    assert second.finish() == named
    assert (len(named.shards), len(named.about["sources"])) == (3, 1)


def test_too_many_skipped_pictures_are_refused_again_when_all_shards_are_whole(
    folder, build, refusal, tmp_path
):
    for name in ("7.png", "8.png"):
        (folder / name).write_text("<html>")
    assert "2 of 9 pictures" in refusal(folder)
    assert "2 of 9 pictures" in refusal(folder)
    assert not (tmp_path / "gallery" / "gallery.json").exists()
    assert build(folder, "--max-skipped", "0.3")[0].num_rows == 7


def test_skipped_pictures_of_all_shards_count(drawn, tars, refusal):
    bad = [("x.png", b"<html>"), ("y.png", b"<html>")]
    for number, more in enumerate((bad, bad, [])):
        drawn.write_tar(tars / f"{number:05d}.tar", range(8 * number, 8 * number + 8), more)
    # Each is at a fifth, and of nothing more is known when it is refused.
    assert "2 of 10 pictures" in refusal(tars, "--max-skipped", "0.1", out="first")
    drawn.write_tar(tars / "00000.tar", range(8))
    # Two of eighteen: above a tenth, though the shard before was whole.
    assert "2 of 18 pictures" in refusal(tars, "--max-skipped", "0.1", out="second")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-skipped", "1.5"], "--max-skipped 1.5 is no share"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--workers", "-1"], "workers is -1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(options, message, folder, refusal):
    assert message in refusal(folder, *options)


def test_options_of_pictures_are_refused_for_vectors(laion, refusal):
    assert "--tokens would change nothing" in refusal(laion, "--tokens")


def test_a_build_goes_on_with_no_other_limit_on_pixels(tars, build, refusal):
    build(tars, "--shard-index", "1", "--num-shards", "2")
    assert "with another max_pixels" in refusal(tars, "--max-pixels", "5000")


def test_vectors_of_another_length_may_be_copied_by_the_build_that_goes_on(
    files, laion, build, refusal
):
    files.rewrite(laion, 2, lambda vectors: vectors * np.float16(3))
    assert "pass --normalise" in refusal(laion, EVERYTHING)
    gallery, _ = build(laion, EVERYTHING, "--normalise")
    assert gallery.num_rows == 700


def test_vectors_are_compared_with_those_of_the_gallery_not_of_their_own_source(
    files, laion, build, refusal, tmp_path
):
    build(laion)
    other = tmp_path / "other"
    write_laion_shards(other, 600, per_shard=300, vectors=files.vectors)
    for number in range(2):
        files.rewrite(other, number, np.negative)
    assert "img_emb_0000.npy has a cosine of -" in refusal(other)


def test_a_row_that_is_unsafe_and_not_finite_counts_once(files, laion, build):
    unsafe = parquet.read_table(files.table_of(laion, 1)).to_pandas().punsafe > 0.5
    rows = [int(np.flatnonzero(unsafe)[0]), int(np.flatnonzero(~unsafe)[0])]
    files.rewrite(laion, 1, files.with_row(rows, np.nan))
    gallery, screen = build(laion, "--drop-broken")
    assert "not finite 1" in screen
    dropped = gallery.about["sources"][0]["dropped"]
    assert gallery.num_kept == 700 - dropped["unsafe"] - 1


def test_only_the_first_of_many_broken_rows_are_named(files, laion, refusal):
    files.rewrite(laion, 1, files.with_row([*range(12)], np.nan))
    named = ", ".join(map(str, range(10)))
    assert f"12 of 300 vectors are not finite or zero (rows {named}, ...)." in refusal(laion)


def test_room_is_asked_for_before_anything_is_embedded(folder, laion, refusal, monkeypatch):
    asked = []

    def full(path, num_bytes, what):
        asked.append(num_bytes)
        raise OSError("no room")

    monkeypatch.setattr(verb, "require_free_space", full)
    for number, options in enumerate(([], ["--tokens"])):
        assert "no room" in refusal(folder, *options, out=f"{number}")
    # All tokens of the offline CLIP in float16, seven times.
    num_tokens, width = load_clip().token_shape
    assert asked[0] == 7 * (2 * width + 500)
    assert asked[1] - asked[0] == 7 * 2 * num_tokens * width
    for number, options in enumerate(([], ["--normalise"]), start=2):
        assert "no room" in refusal(laion, *options, out=f"{number}")
    assert asked[2:] == [0, sum(one.stat().st_size for one in (laion / "img_emb").iterdir())]


def test_a_plan_counts_what_is_new_and_what_would_be_skipped(drawn, folder, tars, build):
    (folder / "bad.png").write_text("<html>")
    assert "of the first 8 pictures 1 would be skipped" in build(folder, "--dry-run")[1]
    screen = build(tars, "--dry-run")[1]
    count = int(screen.split("about ")[1].split(" pictures")[0])
    assert 9 <= count <= 30  # nine, and what tars add to their bytes
    build(tars)
    drawn.write_tar(tars / "00003.tar", range(9, 11))
    assert ": 1 shards, " in build(tars, "--dry-run")[1]
