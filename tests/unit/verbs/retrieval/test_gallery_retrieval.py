"""`mindeye retrieve RUN --gallery G` against plain products, and what it refuses."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images
from mindeye.reconstruction.gallery_queries import network_of
from mindeye.reconstruction.saved_pictures.opening import open_pictures
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.verbs.retrieval.gallery_material import GallerySettings, open_material
from mindeye.verbs.retrieval.gallery_retrieval import RetrievalSettings, retrieve_from_gallery
from mindeye.verbs.retrieval.gallery_selection import selector_of, selector_of_run

FEW = RetrievalSettings(k=4, candidates=20)


def test_the_first_token_finds_and_all_tokens_choose(material, reader, tmp_path):
    found = retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "out")
    gallery = material.gallery
    vectors = gallery.vectors(np.arange(gallery.num_rows))
    shape = material.clip.token_shape
    assert len(found.records) == 8
    for image, record in enumerate(found.records):
        tokens = material.tokens[image].unflatten(0, shape)
        query = torch.nn.functional.normalize(tokens[0], dim=0).numpy()
        order = np.argsort(-(vectors @ query), kind="stable")[:4]
        assert [one["row"] for one in record["found"]] == order.tolist()
        pictures = np.stack([one.picture for one in reader.read(order)])
        with torch.inference_mode():
            embedded = embedding_of(material.clip.tokens(as_images(pictures)))
        scores = embedded @ material.tokens[image]
        told = [one["second_order"] for one in record["found"]]
        # Those of the gallery were stored as float16.
        np.testing.assert_allclose(told, scores.numpy(), atol=2e-3)
        chosen = [one["chosen"] for one in record["found"]]
        assert chosen == [n == int(np.argmax(told)) for n in range(4)]
        path = tmp_path / "out" / "pictures" / f"{record['image_id']:05d}.png"
        assert (np.asarray(Image.open(path)) == pictures[np.argmax(told)]).all()


def test_tokens_find_what_all_tokens_find_and_the_run_that_chooses_may_be_another(
    finished_run, planted_gallery, material, reader, tmp_path
):
    by_tokens = open_material(finished_run, planted_gallery, GallerySettings(by="tokens"))
    gallery = by_tokens.gallery
    stored = np.concatenate([np.array(gallery.tokens(one)) for one in gallery.shards])
    flat = embedding_of(torch.from_numpy(stored).float()).numpy()
    order = np.argsort(-(material.tokens.numpy() @ flat.T), axis=1, kind="stable")[:, :4]
    assert (by_tokens.index.search(by_tokens.brain, 4).rows == order).all()
    other = selector_of_run(finished_run, material, "cpu")
    assert other.gallery is None
    found = retrieve_from_gallery(material, other, reader, FEW, tmp_path / "other")
    same = retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "same")
    told = [[one["second_order"] for one in record["found"]] for record in found.records]
    expected = [[one["second_order"] for one in record["found"]] for record in same.records]
    np.testing.assert_allclose(told, expected, atol=2e-3)


def test_a_killed_retrieval_goes_on_and_other_settings_are_refused(
    material, reader, tmp_path, contents
):
    out, selector = tmp_path / "out", selector_of(material)
    retrieve_from_gallery(material, selector, reader, FEW, out)
    whole = contents(out)
    kept = (out / "images" / "00301.json").stat().st_mtime_ns
    for gone in ("images/00303.json", "pictures/00303.png", "sheets/00303.png", "sheet.png"):
        (out / gone).unlink()
    steps = []
    retrieve_from_gallery(
        material, selector, reader, FEW, out, lambda done, total: steps.append((done, total))
    )
    assert contents(out) == whole
    assert steps == [(8, 8)]
    assert (out / "images" / "00301.json").stat().st_mtime_ns == kept
    with pytest.raises(ValueError, match=r"retrieved otherwise \(settings differ\)"):
        retrieve_from_gallery(material, selector, reader, replace(FEW, k=3), out)
    assert contents(out) == whole


def test_the_command_writes_pictures_that_can_be_scored(
    finished_run, planted_gallery, tmp_path, capsys
):
    out = tmp_path / "out"
    base = ["retrieve", str(finished_run), "--gallery", str(planted_gallery), "--out", str(out)]
    main([*base, "--k", "3", "--no-fetch", "--deduplicate"])
    told = capsys.readouterr().out
    assert "exact search of 158 vectors" in told
    assert "SIMULATED" in told
    pictures = open_pictures(out / "pictures")
    assert pictures.image_ids.tolist() == list(range(300, 308))
    assert pictures.simulated is not None
    table = (out / "retrieved.tsv").read_text().splitlines()
    assert len(table) == 2 + 8 * 3
    assert read_json(out / "retrieved.json")["gallery"]["vectors"] == 158


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--k", "0"], "0 pictures cannot be chosen from 300 candidates"),
        (["--k", "20", "--candidates", "10"], "20 pictures cannot be chosen from 10"),
        (["--k", "159"], "159 pictures are asked for, but .* has 158"),
        (["--pools", "2"], "--pools are of test images alone"),
        (["--alike", "0.9"], "--alike belongs to the benchmark"),
        (["--benchmark", "--k", "3"], "The benchmark takes no --k"),
        (["--benchmark", "--private-addresses"], "The benchmark takes no --private-addresses"),
        (["--engine", "milvus"], "Give --engine milvus and --uri together"),
        (["--by", "tokens", "--engine", "milvus", "--uri", "x.db"], "compared exactly, without mi"),
        (["--gallery", "absent"], "absent is no gallery"),
    ],
)
def test_what_cannot_be_retrieved_is_refused(
    given, message, finished_run, planted_gallery, tmp_path, capsys
):
    out = tmp_path / "out"
    base = ["retrieve", str(finished_run), "--gallery", str(planted_gallery), "--out", str(out)]
    with pytest.raises(SystemExit) as caught:
        main([*base, *given])
    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (out / "pictures").exists()


def test_options_of_a_gallery_alone_are_refused(finished_run, capsys):
    with pytest.raises(SystemExit):
        main(["retrieve", str(finished_run), "--benchmark"])
    assert "--benchmark belongs to retrieval from a gallery" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["retrieve", str(finished_run), "--engine", "milvus"])
    assert "--engine belongs to retrieval from a gallery" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["retrieve", str(finished_run), "--gallery", "g"])
    assert "needs a folder. Give it with --out" in capsys.readouterr().err


def test_a_gallery_of_another_network_is_refused_by_both_names(
    finished_run, planted_gallery, tmp_path, change_json
):
    shutil.copytree(planted_gallery, tmp_path / "g")
    change_json(tmp_path / "g" / "gallery.json", lambda it: it.update(network="other-0123"))
    with pytest.raises(ValueError, match=r"embedded by other-0123, but .* is tiny-clip-"):
        open_material(finished_run, tmp_path / "g", GallerySettings())
    assert network_of("a-1+washed-out+embedding") == "a-1+washed-out"


def test_what_was_found_without_fetching_is_not_taken_for_what_fetching_finds(
    finished_run, planted_gallery, tmp_path, capsys
):
    out = tmp_path / "out"
    base = ["retrieve", str(finished_run), "--gallery", str(planted_gallery), "--out", str(out)]
    main([*base, "--k", "3", "--no-fetch"])
    with pytest.raises(SystemExit):
        main([*base, "--k", "3", "--cache", str(tmp_path / "cache")])
    assert "retrieved otherwise (fetched differ)" in capsys.readouterr().err


def test_what_one_index_found_is_not_completed_by_another(material, reader, tmp_path):
    retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "out")
    index = ExactIndex(material.gallery)
    index.about = "another index"
    with pytest.raises(ValueError, match=r"retrieved otherwise \(index differ\)"):
        retrieve_from_gallery(
            replace(material, index=index), selector_of(material), reader, FEW, tmp_path / "out"
        )


def test_milvus_finds_what_exact_search_finds(finished_run, planted_gallery, tmp_path, capsys):
    reason = "needs the extra `milvus`: pip install 'mindeye[milvus]'"
    pytest.importorskip("milvus_lite", reason=reason)
    engine = ["--engine", "milvus", "--uri", str(tmp_path / "x.db")]
    main(["gallery", "index", str(planted_gallery), *engine])
    base = ["retrieve", str(finished_run), "--gallery", str(planted_gallery), "--no-fetch"]
    base += ["--candidates", "20"]
    main([*base, "--out", str(tmp_path / "here")])
    capsys.readouterr()
    main([*base, "--out", str(tmp_path / "there"), *engine])
    assert "in Milvus Lite" in capsys.readouterr().out
    # Cosines differ in the last digit that is written.
    here, there = (
        [line.split("\t")[:2] for line in (tmp_path / one / "retrieved.tsv").open()]
        + [line.split("\t")[3:5] for line in (tmp_path / one / "retrieved.tsv").open()]
        for one in ("here", "there")
    )
    assert here == there
