"""`mindeye gallery search` against plain products of the gallery's vectors."""

import io
import json
import re
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image
from torch import nn

from mindeye.cli import main
from mindeye.report.gallery_sheet import GAP, TILE
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.targets.clip import load_clip
from mindeye.verbs.gallery import search as search_module
from mindeye.verbs.gallery.search import SearchRequest, search_gallery


@pytest.fixture
def vectors(gallery):
    opened = open_gallery(gallery)
    return opened.vectors(np.arange(opened.num_rows))


@pytest.fixture
def a_scene(scenes, tmp_path):
    """The picture of gallery row 14, as a file, with its key."""
    with tarfile.open(scenes / "00001.tar") as tar:
        member = tar.getmembers()[4]
        Image.open(io.BytesIO(tar.extractfile(member).read())).save(tmp_path / "scene.png")
    return tmp_path / "scene.png", member.name.removesuffix(".png")


def rows_of(found):
    return [one["row"] for one in found]


def test_a_picture_finds_itself_first_and_a_text_what_its_embedding_finds(
    gallery, networks, a_scene, vectors
):
    path, key = a_scene
    request = SearchRequest(images=[path], texts=["a red bus"], k=5, clip=networks.clip)
    by_image, by_text = search_gallery(gallery, request).found
    assert by_image[0]["key"] == key
    assert by_image[0]["row"] == 14
    assert by_image[0]["cosine"] == pytest.approx(1, abs=2e-3)
    assert by_image[0]["caption"].split()
    (text,) = load_clip(networks.clip).text_embeddings(["a red bus"]).numpy()
    assert rows_of(by_text) == np.argsort(-(vectors @ text), kind="stable")[:5].tolist()
    assert [one["rank"] for one in by_text] == [1, 2, 3, 4, 5]


def test_vectors_of_any_length_find_the_same_and_that_is_said(gallery, vectors, tmp_path):
    np.save(tmp_path / "q.npy", 3 * vectors[[4, 9]])
    found = search_gallery(gallery, SearchRequest(embedding=tmp_path / "q.npy", k=32))
    assert [one[0]["row"] for one in found.found] == [4, 9]
    assert len(found.found[0]) == 32
    assert any("brought to length 1" in note for note in found.notes)
    assert "exact search of 32 vectors" in found.notes[0]
    assert found.simulated["simulated"]


def test_near_duplicates_are_shown_once(gallery, vectors, tmp_path):
    np.save(tmp_path / "q.npy", vectors[0])
    request = SearchRequest(embedding=tmp_path / "q.npy", k=4)
    (twice,) = search_gallery(gallery, request).found
    assert rows_of(twice)[:2] == [0, 30]
    (once,) = search_gallery(gallery, replace(request, distinct_below=0.9999)).found
    assert rows_of(once)[0] == 0
    assert 30 not in rows_of(once)
    assert len(once) == 4


def test_results_are_a_table_a_json_and_a_sheet(gallery, networks, a_scene, tmp_path, capsys):
    arguments = ["gallery", "search", str(gallery), "--clip", str(networks.clip), "--k", "3"]
    out = tmp_path / "found"
    main([*arguments, "--image", str(a_scene[0]), "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[:3] == ["query", "rank", "cosine"]
    assert lines[1].split("\t")[3] == "14"
    assert "SIMULATED" in lines[-1]
    assert (out / "results.tsv").read_text().splitlines()[2:] == lines[1:4]
    sheet = np.asarray(Image.open(out / "sheet.png"))
    asked = np.asarray(Image.open(a_scene[0]).resize((TILE, TILE), Image.Resampling.LANCZOS))
    left = TILE + 3 * GAP
    assert (sheet[GAP : GAP + TILE, GAP : GAP + TILE] == asked).all()
    assert (sheet[GAP : GAP + TILE, left : left + TILE] == asked).all()
    main([*arguments, "--text", "a cat", "--json"])
    assert len(json.loads(capsys.readouterr().out)["results"]) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Nothing is searched for"),
        (["--text", "a cat", "--k", "33"], "33 neighbours .* has 32 vectors"),
        (["--text", " "], "A text to search for is empty"),
        (["--text", "a cat", "--deduplicate", "nan"], "--deduplicate nan is no cosine"),
        (["--text", "a cat", "--deduplicate", "5"], r"--deduplicate 5\.0 is no cosine"),
        (["--image", "absent.png"], "absent.png is not a file"),
        (["--embedding", "absent.npy"], "absent.npy is not a file"),
        (["--text", "a cat", "--clip", "OFFLINE"], r"embedded by tiny-clip-.* is scenes-clip-"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(
    given, message, gallery, networks, tmp_path, capsys
):
    clip = [] if "OFFLINE" in given else ["--clip", str(networks.clip)]
    given = given[: given.index("--clip")] if "--clip" in given else given
    out = tmp_path / "found"
    with pytest.raises(SystemExit) as caught:
        main(["gallery", "search", str(gallery), *given, *clip, "--out", str(out)])
    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not out.exists()


def test_a_folder_of_something_else_is_left_alone_and_one_of_results_written_again(
    gallery, networks, tmp_path, capsys
):
    search = ["gallery", "search", str(gallery), "--text", "a cat", "--clip", str(networks.clip)]
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "results.json").write_text("mine")
    with pytest.raises(SystemExit):
        main([*search, "--out", str(taken)])
    assert "is not empty and holds no results of a search" in capsys.readouterr().err
    assert [one.read_text() for one in taken.iterdir()] == ["mine"]
    for _ in range(2):
        main([*search, "--out", str(tmp_path / "found")])


def test_a_page_for_a_picture_and_a_network_without_text_are_refused(
    gallery, networks, tmp_path, monkeypatch
):
    page = tmp_path / "page.png"
    page.write_text("<html>")
    with pytest.raises(ValueError, match="no picture that can be read"):
        search_gallery(gallery, SearchRequest(images=[page], clip=networks.clip))

    mute = replace(load_clip(networks.clip), model=nn.Module())
    mute.model.visual = load_clip(networks.clip).model.visual
    monkeypatch.setattr(search_module, "load_clip", lambda *given: mute)
    with pytest.raises(LookupError, match=r"has no text part\. Search with --image"):
        search_gallery(gallery, SearchRequest(texts=["a cat"], clip=networks.clip))


def test_pictures_that_cannot_be_had_are_counted_with_their_reason(
    gallery, networks, tmp_path, capsys
):
    here = tmp_path / "gallery"
    shutil.copytree(gallery, here)
    manifest = json.loads((here / "gallery.json").read_text())
    for shard in manifest["shards"]:
        path = here / shard["metadata"]
        table = parquet.read_table(path)
        addresses = pa.array(["http://127.0.0.1:9/x.jpg"] * len(table))
        table = table.drop_columns(["path"]).append_column("url", addresses)
        parquet.write_table(table, path)
    base = ["gallery", "search", str(here), "--clip", str(networks.clip), "--text", "a", "--k", "2"]
    main([*base, "--out", str(tmp_path / "a")])
    assert "no picture of 2 results: 2 x 127.0.0.1 is 127.0.0.1" in capsys.readouterr().out
    main([*base, "--out", str(tmp_path / "b"), "--no-fetch"])
    assert "2 x only its address is known" in capsys.readouterr().out
    assert "http://127.0.0.1:9/x.jpg" in (tmp_path / "a" / "results.tsv").read_text()


def test_of_a_picture_that_is_no_square_the_middle_is_searched_for(
    gallery, networks, a_scene, tmp_path
):
    scene = np.asarray(Image.open(a_scene[0]))
    dark = np.zeros_like(scene)
    paths = []
    for axis in (0, 1):
        paths.append(tmp_path / f"{axis}.png")
        Image.fromarray(np.concatenate([dark, scene, dark], axis)).save(paths[-1])
    request = SearchRequest(images=paths, k=1, clip=networks.clip)
    for found in search_gallery(gallery, request).found:
        assert found[0]["row"] == 14
        assert found[0]["cosine"] == pytest.approx(1, abs=2e-3)


def test_a_file_too_large_for_a_picture_is_not_read(gallery, networks, a_scene, monkeypatch):
    monkeypatch.setattr(search_module, "LARGEST_FILE", 10)
    with pytest.raises(ValueError, match=r"bytes, more than 10\. Make the picture smaller"):
        search_gallery(gallery, SearchRequest(images=[a_scene[0]], clip=networks.clip))


def test_the_saved_json_holds_what_was_searched_and_found(gallery, vectors, tmp_path):
    np.save(tmp_path / "q.npy", vectors[[4]])
    out = tmp_path / "found"
    given = ["--embedding", str(tmp_path / "q.npy"), "--k", "3", "--out", str(out)]
    main(["gallery", "search", str(gallery), *given])
    saved = json.loads((out / "results.json").read_text())
    assert saved["gallery"] == str(gallery.resolve())
    assert [one["rank"] for one in saved["results"]] == [1, 2, 3]
    assert saved["results"][0]["row"] == 4
    assert saved["simulated"] is not None
