"""Galleries of pictures that grow, were stopped, or whose sources changed: nothing is lost."""

import os
import tarfile

import numpy as np
import pytest

from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.verbs.gallery import embed_pictures


def test_a_picture_that_cannot_be_read_now_is_not_left_out_for_good(
    folder, build, refusal, monkeypatch
):
    plain = type(folder).read_bytes

    def failing(path):
        if path.name == "3.png":
            raise OSError(5, "Input/output error")
        return plain(path)

    with monkeypatch.context() as away:
        away.setattr(type(folder), "read_bytes", failing)
        assert "3.png cannot be read (Input/output error)" in refusal(folder)
    gallery, screen = build(folder)
    assert gallery.num_rows == 7
    assert "skipped" not in screen


def test_a_build_that_is_stopped_after_any_shard_ends_with_the_same_bytes(
    tars, build, contents, monkeypatch, tmp_path
):
    build(tars, out="whole")
    plain = embed_pictures.write_table
    for stop_at in range(3):
        calls = iter(range(99))

        def failing(path, rows, stop_at=stop_at, calls=calls):
            if next(calls) == stop_at:
                raise KeyboardInterrupt
            plain(path, rows)

        out = f"stopped-{stop_at}"
        monkeypatch.setattr(embed_pictures, "write_table", failing)
        with pytest.raises(SystemExit):
            build(tars, out=out)
        assert not (tmp_path / out / "gallery.json").exists()
        monkeypatch.setattr(embed_pictures, "write_table", plain)
        build(tars, out=out)
        assert contents(tmp_path / out) == contents(tmp_path / "whole")


def test_machines_divide_the_shards_and_the_last_names_them_all(tars, build, contents, tmp_path):
    whole, _ = build(tars, out="whole")
    gallery, screen = build(tars, "--shard-index", "1", "--num-shards", "2")
    assert gallery is None
    assert "1 of 3 shards are whole" in screen
    gallery, _ = build(tars, "--shard-index", "0", "--num-shards", "2")
    assert contents(gallery.path) == contents(whole.path)


def test_tars_that_follow_later_are_added_and_earlier_rows_keep_their_numbers(
    drawn, tars, folder, build, contents
):
    gallery, _ = build(tars)
    before = gallery.vectors(np.arange(9))
    files = contents(gallery.path)
    assert "has all of" in build(tars)[1]
    assert contents(gallery.path) == files

    drawn.write_tar(tars / "00003.tar", range(9, 11))
    gallery, screen = build(tars)
    assert "2 vectors" in screen
    gallery, _ = build(folder)
    assert gallery.num_rows == 9 + 2 + 7
    assert (gallery.vectors(np.arange(9)) == before).all()
    assert [one["caption"] for one in gallery.records(np.array([10, 11]))] == [
        drawn.caption(10),
        drawn.caption(0),
    ]
    assert pictures(gallery, np.array([17]))[0].read() == drawn.png(6)
    kept = {name: content for name, content in contents(gallery.path).items() if name in files}
    assert {n for n in files if kept[n] != files[n]} == {"gallery.json"}


def test_a_source_that_changed_is_refused_and_the_gallery_stays(
    drawn, tars, folder, build, refusal
):
    gallery, _ = build(tars)
    text = (gallery.path / "gallery.json").read_bytes()
    drawn.write_tar(tars / "00001.tar", range(5))
    assert "00001.tar has" in refusal(tars)
    assert (gallery.path / "gallery.json").read_bytes() == text
    build(folder, out="of-folder")
    (folder / "7.png").write_bytes(drawn.png(7))
    assert "changed since" in refusal(folder, out="of-folder")


def test_another_build_in_the_same_folder_is_refused(tars, folder, build, refusal):
    build(tars, "--shard-index", "1", "--num-shards", "2")
    assert "with another root and another form" in refusal(folder)
    assert "with another tokens" in refusal(tars, "--tokens")
    build(tars)


@pytest.mark.parametrize("cut", ["in its first member", "between two members", "behind the last"])
def test_a_tar_that_was_cut_off_stops_with_its_name(drawn, tars, refusal, build, cut, contents):
    gallery, _ = build(tars)
    before = contents(gallery.path)
    drawn.write_tar(tars / "00003.tar", range(9, 12))
    with tarfile.open(tars / "00003.tar") as tar:
        ends = [member.offset_data + -(-member.size // 512) * 512 for member in tar]
    place = {"in its first member": 700, "between two members": ends[3]}.get(cut, ends[-1])
    os.truncate(tars / "00003.tar", place)
    message = refusal(tars)
    assert "00003.tar is no whole tar" in message
    left = contents(gallery.path)
    assert {name: left[name] for name in before} == before
