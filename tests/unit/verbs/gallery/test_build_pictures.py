"""Galleries of pictures: what is embedded, and what is skipped."""

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

from mindeye.pictures import as_images
from mindeye.retrieval.gallery.pictures import reader
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.retrieval.gallery.pictures.reader import PictureReader
from mindeye.targets.clip import load_clip


@pytest.fixture(scope="module")
def embedded(drawn):
    """The embedding of a scene, one at a time, by the plain road."""
    clip = load_clip(form="embedding")

    @torch.inference_mode()
    def _embedded(image_id):
        token = clip.tokens(as_images(drawn.scene(image_id)[None]))[0, 0].double()
        return (token / token.norm()).numpy()

    return _embedded


def test_each_picture_of_a_folder_has_its_embedding_and_its_caption(drawn, folder, build, embedded):
    gallery, screen = build(folder, "--batch-size", "3", "--workers", "2")
    rows = np.arange(7)
    records = gallery.records(rows)
    assert [one["key"] for one in records] == ["0", "1", "2", "3", "4", "deep/er/5", "deep/er/6"]
    for record, vector, picture in zip(
        records, gallery.vectors(rows), pictures(gallery, rows), strict=True
    ):
        image_id = int(record["key"].rpartition("/")[2])
        np.testing.assert_allclose(vector, embedded(image_id), atol=1e-3)
        assert record["caption"] == drawn.caption(image_id)
        assert picture.read() == drawn.png(image_id)
    assert "7 of 7 vectors of scenes-clip-" in screen


def test_tars_give_the_same_embeddings_and_what_stands_beside_the_pictures(
    drawn, tars, build, embedded
):
    gallery, _ = build(tars)
    rows = np.arange(9)
    for image_id, (record, vector) in enumerate(
        zip(gallery.records(rows), gallery.vectors(rows), strict=True)
    ):
        np.testing.assert_allclose(vector, embedded(image_id), atol=1e-3)
        assert (record["caption"], record["url"]) == (
            drawn.caption(image_id),
            f"http://a/{image_id}",
        )
        assert record["width"] == 64  # of the picture, not what the json says
        assert "exif" not in record
    assert pictures(gallery, np.array([8]))[0].read() == drawn.png(8)
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


def test_all_tokens_are_kept_where_they_are_asked_for(drawn, folder, build):
    gallery, _ = build(folder, "--tokens")
    clip = load_clip()
    tokens = gallery.tokens(gallery.shards[0])
    with torch.inference_mode():
        true = clip.tokens(as_images(drawn.scene(6)[None]))[0].numpy()
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


def damaged(drawn) -> dict[str, tuple[bytes, str]]:
    """Name -> content, and why it is skipped."""
    return {
        "html.jpg": (b"<!DOCTYPE html><p>404", "no picture"),
        "cut.png": (drawn.png(0)[:900], "not decodable"),
        "empty.png": (b"", "empty file"),
        "bomb.png": (bomb(20_000, 20_000), "too many pixels"),
        "large.png": (bomb(11_000, 10_000), "too many pixels"),
        "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
    }


def test_what_is_no_picture_is_skipped_with_its_reason_and_never_replaced(
    drawn, folder, build, refusal
):
    for name, (content, _) in damaged(drawn).items():
        (folder / name).write_bytes(content)
    message = refusal(folder)
    assert "6 of 13 pictures" in message
    assert "--max-skipped with more than 0.462" in message
    gallery, screen = build(folder, "--max-skipped", "0.5")
    assert gallery.num_rows == 7
    lines = (gallery.path / "skipped" / "00000-pictures.tsv").read_text().splitlines()
    told = {line.split("\t")[1]: line.split("\t")[3] for line in lines[1:]}
    assert told == {name: reason for name, (_, reason) in damaged(drawn).items()}
    assert "skipped: empty file 1, no picture 2, not decodable 1, too many pixels 2" in screen


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


def test_wide_pictures_are_cropped_to_their_middle(drawn, tmp_path, build, embedded):
    scene = drawn.scene(3)
    wide = np.zeros((64, 164, 3), np.uint8)
    wide[:, 50:114] = scene
    (tmp_path / "wide").mkdir()
    Image.fromarray(wide).save(tmp_path / "wide" / "a.png")
    gallery, _ = build(tmp_path / "wide")
    np.testing.assert_allclose(gallery.vectors(np.array([0]))[0], embedded(3), atol=1e-3)


def test_names_that_leave_the_tar_or_hide_in_it_do_no_harm(drawn, tmp_path, build):
    more = [("../../outside.png", drawn.png(1)), ("a/b.c.d.png", drawn.png(2)), ("a/b.cls", b"1")]
    drawn.write_tar(tmp_path / "odd" / "0.tar", range(1), more)
    gallery, _ = build(tmp_path / "odd")
    assert [one["key"] for one in gallery.records(np.arange(3))] == [
        "000000000",
        "../../outside",
        "a/b",
    ]
    assert [one.read() for one in pictures(gallery, np.arange(3))] == [
        drawn.png(image_id) for image_id in range(3)
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


@pytest.mark.parametrize("name", ["thesis.tex", "building/plan.txt"])
def test_a_folder_of_something_else_is_refused_and_left_alone(folder, refusal, tmp_path, name):
    path = tmp_path / "taken" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert "is not empty and holds no gallery" in refusal(folder, out=tmp_path / "taken")
    assert [one for one in (tmp_path / "taken").rglob("*") if one.is_file()] == [path]


def test_a_gallery_of_a_simulated_source_says_so(folder, build):
    (folder / "SIMULATED.json").write_text('{"seed": 1}')
    gallery, screen = build(folder)
    assert gallery.about["simulated"] == {"seed": 1}
    assert "SIMULATED" in screen


def test_more_pixels_than_are_ever_decoded_cannot_be_allowed(folder, refusal):
    """Pillow's own limit would skip such a picture, whatever was asked for."""
    assert "178,956,970. Choose that or less" in refusal(folder, "--max-pixels", "178956971")
