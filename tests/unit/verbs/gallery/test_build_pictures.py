"""Galleries of pictures: what is embedded, what is skipped, and that nothing is lost on the way."""

import io
import json
import os
import shutil
import struct
import tarfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from mindeye.cli import main
from mindeye.pictures import as_images
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.retrieval.gallery.pictures import reader
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.retrieval.gallery.pictures.reader import PictureReader
from mindeye.simulate.scenes import caption_of, scene_image, scene_of
from mindeye.targets.clip import load_clip
from mindeye.verbs.gallery import embed_pictures

SEED = 5


def png_of(image_id: int, side: int = 64) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(scene_image(SEED, image_id, side)).save(stream, format="PNG")
    return stream.getvalue()


def caption(image_id: int) -> str:
    return caption_of(scene_of(SEED, image_id))


@pytest.fixture
def folder(tmp_path):
    """Seven pictures at two depths, with captions."""
    root = tmp_path / "pictures"
    for image_id in range(7):
        path = root / ("deep/er" if image_id > 4 else "") / f"{image_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_of(image_id))
        path.with_suffix(".txt").write_text(caption(image_id))
    return root


def write_tar(path, image_ids, further=()):
    """Samples as img2dataset and webdataset write them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for image_id in image_ids:
            about = {"url": f"http://a/{image_id}", "width": 1, "exif": {"a": 1}}
            files = {
                "png": png_of(image_id),
                "txt": caption(image_id).encode(),
                "json": json.dumps(about).encode(),
            }
            for suffix, content in files.items():
                add_member(tar, f"{image_id:09d}.{suffix}", content)
        for name, content in further:
            add_member(tar, name, content)


def add_member(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def tars(tmp_path):
    """Three tars of four, three and two pictures."""
    root = tmp_path / "tars"
    for number, image_ids in enumerate((range(4), range(4, 7), range(7, 9))):
        write_tar(root / f"{number:05d}.tar", image_ids)
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


@pytest.fixture(scope="module")
def embedded():
    """The embedding of a scene, one at a time, by the plain road."""
    clip = load_clip(form="embedding")

    @torch.inference_mode()
    def _embedded(image_id):
        token = clip.tokens(as_images(scene_image(SEED, image_id, 64)[None]))[0, 0].double()
        return (token / token.norm()).numpy()

    return _embedded


def test_each_picture_of_a_folder_has_its_embedding_and_its_caption(folder, build, embedded):
    gallery, screen = build(folder, "--batch-size", "3", "--workers", "2")
    rows = np.arange(7)
    records = gallery.records(rows)
    assert [one["key"] for one in records] == ["0", "1", "2", "3", "4", "deep/er/5", "deep/er/6"]
    for record, vector, picture in zip(
        records, gallery.vectors(rows), pictures(gallery, rows), strict=True
    ):
        image_id = int(record["key"].rpartition("/")[2])
        np.testing.assert_allclose(vector, embedded(image_id), atol=1e-3)
        assert record["caption"] == caption(image_id)
        assert picture.read() == png_of(image_id)
    assert "7 of 7 vectors of scenes-clip-" in screen


def test_tars_give_the_same_embeddings_and_what_stands_beside_the_pictures(tars, build, embedded):
    gallery, _ = build(tars)
    rows = np.arange(9)
    for image_id, (record, vector) in enumerate(
        zip(gallery.records(rows), gallery.vectors(rows), strict=True)
    ):
        np.testing.assert_allclose(vector, embedded(image_id), atol=1e-3)
        assert (record["caption"], record["url"]) == (caption(image_id), f"http://a/{image_id}")
        assert record["width"] == 64  # of the picture, not what the json says
        assert "exif" not in record
    assert pictures(gallery, np.array([8]))[0].read() == png_of(8)
    assert [shard.count for shard in gallery.shards] == [4, 3, 2]


def test_the_columns_of_img2dataset_come_from_its_parquet_files(tars, build):
    for tar in sorted(tars.glob("*.tar")):
        with tarfile.open(tar) as members:
            keys = sorted({name.split(".")[0] for name in members.getnames()}, reverse=True)
        # In another order, and with a row of a picture that could not be fetched.
        columns = {
            "key": [*keys, "failed"],
            "license": ["cc-by" if int(key) % 2 else "?" for key in keys] + ["cc-by"],
        }
        parquet.write_table(pa.table(columns), tar.with_suffix(".parquet"))
    gallery, screen = build(tars, "--licence", "CC-BY,cc0")
    records = gallery.records(np.arange(9))
    assert [one["license"] for one in records] == ["cc-by" if n % 2 else "?" for n in range(9)]
    assert [gallery.kept_rows(shard).tolist() for shard in gallery.shards] == [[1, 3], [1], [0]]
    assert "dropped: licence 5" in screen
    assert "4 of 9 vectors" in screen


def test_all_tokens_are_kept_where_they_are_asked_for(folder, build):
    gallery, _ = build(folder, "--tokens")
    clip = load_clip()
    tokens = gallery.tokens(gallery.shards[0])
    with torch.inference_mode():
        true = clip.tokens(as_images(scene_image(SEED, 6, 64)[None]))[0].numpy()
    assert tokens.shape == (7, *clip.token_shape)
    np.testing.assert_allclose(tokens[6], true, atol=2e-3)
    plain, _ = build(folder, out="plain")
    assert plain.network == gallery.network
    np.testing.assert_allclose(
        plain.vectors(np.arange(7)), gallery.vectors(np.arange(7)), atol=2e-3
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that claims to be large."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


DAMAGED = {
    "html.jpg": (b"<!DOCTYPE html><p>404", "no picture"),
    "cut.png": (png_of(0)[:900], "not decodable"),
    "empty.png": (b"", "empty file"),
    "bomb.png": (bomb(20_000, 20_000), "too many pixels"),
    "large.png": (bomb(11_000, 10_000), "too many pixels"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
}


def test_what_is_no_picture_is_skipped_with_its_reason_and_never_replaced(folder, build, refusal):
    for name, (content, _) in DAMAGED.items():
        (folder / name).write_bytes(content)
    message = refusal(folder)
    assert "6 of 13 pictures" in message
    assert "--max-skipped with more than 0.462" in message
    gallery, screen = build(folder, "--max-skipped", "0.5")
    assert gallery.num_rows == 7
    lines = (gallery.path / "skipped" / "00000-pictures.tsv").read_text().splitlines()
    told = {line.split("\t")[1]: line.split("\t")[3] for line in lines[1:]}
    assert told == {name: reason for name, (_, reason) in DAMAGED.items()}
    assert "skipped: empty file 1, no picture 2, not decodable 1, too many pixels 2" in screen


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


def test_a_cap_on_pixels_is_obeyed_before_decoding(folder, build, monkeypatch):
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(SystemExit):
        build(folder, "--max-pixels", "4000")  # 64 x 64 are 4096
    assert len((folder.parent / "gallery/skipped/00000-pictures.tsv").read_text().splitlines()) == 8


def test_what_was_embedded_is_shown_and_averaged_where_it_is_large(folder, build, monkeypatch):
    gallery, _ = build(folder)
    (whole,) = PictureReader(gallery=gallery).read(np.array([3]))
    monkeypatch.setattr(reader, "MOST_PIXELS", 1024)  # 64 x 64 are 4096
    (small,) = PictureReader(gallery=gallery).read(np.array([3]))
    assert small.picture.shape == (32, 32, 3)
    means = whole.picture.reshape(32, 2, 32, 2, 3).mean((1, 3))
    np.testing.assert_allclose(small.picture, means, atol=0.51)


def test_wide_pictures_are_cropped_to_their_middle(tmp_path, build, embedded):
    scene = scene_image(SEED, 3, 64)
    wide = np.zeros((64, 164, 3), np.uint8)
    wide[:, 50:114] = scene
    (tmp_path / "wide").mkdir()
    Image.fromarray(wide).save(tmp_path / "wide" / "a.png")
    gallery, _ = build(tmp_path / "wide")
    np.testing.assert_allclose(gallery.vectors(np.array([0]))[0], embedded(3), atol=1e-3)


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
    tars, folder, build, contents
):
    gallery, _ = build(tars)
    before = gallery.vectors(np.arange(9))
    files = contents(gallery.path)
    assert "has all of" in build(tars)[1]
    assert contents(gallery.path) == files

    write_tar(tars / "00003.tar", range(9, 11))
    gallery, screen = build(tars)
    assert "2 vectors" in screen
    gallery, _ = build(folder)
    assert gallery.num_rows == 9 + 2 + 7
    assert (gallery.vectors(np.arange(9)) == before).all()
    assert [one["caption"] for one in gallery.records(np.array([10, 11]))] == [
        caption(10),
        caption(0),
    ]
    assert pictures(gallery, np.array([17]))[0].read() == png_of(6)
    kept = {name: content for name, content in contents(gallery.path).items() if name in files}
    assert {n for n in files if kept[n] != files[n]} == {"gallery.json"}


def test_a_source_that_changed_is_refused_and_the_gallery_stays(tars, folder, build, refusal):
    gallery, _ = build(tars)
    text = (gallery.path / "gallery.json").read_bytes()
    write_tar(tars / "00001.tar", range(5))
    assert "00001.tar has" in refusal(tars)
    assert (gallery.path / "gallery.json").read_bytes() == text
    build(folder, out="of-folder")
    (folder / "7.png").write_bytes(png_of(7))
    assert "changed since" in refusal(folder, out="of-folder")


def test_another_build_in_the_same_folder_is_refused(tars, folder, build, refusal):
    build(tars, "--shard-index", "1", "--num-shards", "2")
    assert "with another root and another form" in refusal(folder)
    assert "with another tokens" in refusal(tars, "--tokens")
    build(tars)


@pytest.mark.parametrize("cut", ["in its first member", "between two members", "behind the last"])
def test_a_tar_that_was_cut_off_stops_with_its_name(tars, refusal, build, cut, contents):
    gallery, _ = build(tars)
    before = contents(gallery.path)
    write_tar(tars / "00003.tar", range(9, 12))
    with tarfile.open(tars / "00003.tar") as tar:
        ends = [member.offset_data + -(-member.size // 512) * 512 for member in tar]
    place = {"in its first member": 700, "between two members": ends[3]}.get(cut, ends[-1])
    os.truncate(tars / "00003.tar", place)
    message = refusal(tars)
    assert "00003.tar is no whole tar" in message
    left = contents(gallery.path)
    assert {name: left[name] for name in before} == before


def test_names_that_leave_the_tar_or_hide_in_it_do_no_harm(tmp_path, build):
    more = [("../../outside.png", png_of(1)), ("a/b.c.d.png", png_of(2)), ("a/b.cls", b"1")]
    write_tar(tmp_path / "odd" / "0.tar", range(1), more)
    gallery, _ = build(tmp_path / "odd")
    assert [one["key"] for one in gallery.records(np.arange(3))] == [
        "000000000",
        "../../outside",
        "a/b",
    ]
    assert [one.read() for one in pictures(gallery, np.arange(3))] == [
        png_of(image_id) for image_id in range(3)
    ]
    assert not (tmp_path.parent / "outside.png").exists()


def test_a_dry_run_counts_and_writes_nothing(folder, tars, build, tmp_path):
    _, screen = build(folder, "--dry-run")
    assert "about 7 pictures" in screen
    _, screen = build(tars, "--dry-run")
    assert "3 shards" in screen
    assert not (tmp_path / "gallery").exists()


def test_sources_without_pictures_and_options_without_effect_are_refused(
    folder, tars, refusal, tmp_path
):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "a.md").write_text("")
    assert "holds no picture, no tar" in refusal(tmp_path / "nothing")
    assert "does not exist" in refusal(tmp_path / "absent")
    assert "--normalise and --quick would change nothing" in refusal(
        folder, "--normalise", "--quick"
    )
    assert "together, or neither" in refusal(folder, "--shard-index", "1")
    assert "no part" in refusal(folder, "--shard-index", "2", "--num-shards", "2")
    assert "has no column" in refusal(folder, "--licence", "cc0")
    shutil.copytree(folder, tars / "pictures")
    assert "several forms: webdataset, folder" in refusal(tars)


def test_a_gallery_of_no_picture_at_all_is_refused(tmp_path, refusal):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_text("<html>")
    assert "gave no vector at all; skipped: {'no picture': 1}" in refusal(
        tmp_path / "bad", "--max-skipped", "1"
    )
    assert not (tmp_path / "gallery" / "gallery.json").exists()


def test_a_gallery_of_a_simulated_source_says_so(folder, build):
    (folder / "SIMULATED.json").write_text('{"seed": 1}')
    gallery, screen = build(folder)
    assert gallery.about["simulated"] == {"seed": 1}
    assert "SIMULATED" in screen
