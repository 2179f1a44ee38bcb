"""A converted MindEye1 checkpoint finds pictures in a gallery of the CLIP that is given."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json
from mindeye.models.saved import load_decoder
from mindeye.pictures import as_images
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.simulate.scene_tars import SceneTars, write_scene_tars
from mindeye.targets.clip import OFFLINE_CLIP, load_clip
from mindeye.verbs.gallery.scenes import planted_pictures
from mindeye.verbs.gallery.serve_queries import brain_images


@pytest.fixture(scope="module")
def gallery(tiny_prepared, networks, tmp_path_factory) -> Path:
    """30 scenes and 8 planted pictures; read only."""
    folder = tmp_path_factory.mktemp("planted")
    planted = planted_pictures(PreparedSubject(tiny_prepared))
    scenes = SceneTars(num_scenes=30, side=32, scenes_per_tar=30)
    write_scene_tars(folder / "scenes", scenes, planted, about_planted={"n": 8}, workers=1)
    given = ["--out", str(folder / "gallery"), "--clip", str(networks.clip)]
    main(["gallery", "build", str(folder / "scenes"), *given])
    return folder / "gallery"


@pytest.fixture
def asked(tiny_prepared, networks, gallery, tmp_path):
    """(run) -> the command line that looks for its test pictures in the gallery."""

    def line(run: Path) -> list[str]:
        given = ["--data", str(tiny_prepared), "--clip", str(networks.clip)]
        where = ["--gallery", str(gallery), "--out", str(tmp_path / "out")]
        return ["retrieve", str(run), *given, *where]

    return line


def test_the_first_token_of_the_scan_finds_the_nearest_vectors(
    converted, asked, gallery, networks, tiny_prepared, tmp_path
):
    run = converted("mindeye1")
    main([*asked(run), "--k", "3", "--no-fetch"])
    opened, scans = open_gallery(gallery), PreparedSubject(tiny_prepared).repeats("test")
    vectors = torch.from_numpy(opened.vectors(np.arange(opened.num_rows)))
    with torch.inference_mode():
        first = load_decoder(run)(scans.mean(), 1).embeddings.unflatten(1, (5, 16))[:, 0]
    order = (normalize(first, dim=1) @ vectors.T).argsort(dim=1, descending=True, stable=True)
    for image, expected in zip(scans.image_ids.tolist(), order[:, :3].tolist(), strict=True):
        found = read_json(tmp_path / "out" / "images" / f"{image:05d}.json")["found"]
        assert [one["row"] for one in found] == expected
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["given"] == {"clip": str(networks.clip)}
    assert about["networks"]["clip"] == load_clip(networks.clip, antialias=False).identity


def test_the_seen_pictures_are_known_again_though_mindeye1_made_them_smaller_otherwise(
    converted, asked, gallery, networks, tiny_prepared, tmp_path
):
    """Pictures of 64 pixels: for a CLIP of 32, filtering matters."""
    larger = Path(shutil.copytree(tiny_prepared, tmp_path / "larger"))
    shutil.rmtree(larger / "targets", ignore_errors=True)
    images = np.load(larger / "images.npy").repeat(2, axis=1).repeat(2, axis=2)
    noise = np.random.default_rng(0).integers(-60, 60, images.shape)
    np.save(larger / "images.npy", (images + noise).clip(0, 255).astype(np.uint8))
    _tell_of(larger)
    prepared = PreparedSubject(larger)
    planted = planted_pictures(prepared)
    scenes = SceneTars(num_scenes=30, side=64, scenes_per_tar=30)
    write_scene_tars(tmp_path / "scenes", scenes, planted, about_planted={"n": 8}, workers=1)
    built = ["--out", str(tmp_path / "gallery"), "--clip", str(networks.clip)]
    main(["gallery", "build", str(tmp_path / "scenes"), *built])
    pictures = as_images(prepared.images[prepared.rows_of(prepared.image_ids_of("test"))])
    with torch.inference_mode():
        two = [
            normalize(load_clip(networks.clip, antialias=one).tokens(pictures)[:, 0], dim=1)
            for one in (True, False)
        ]
    assert (two[0] * two[1]).sum(1).max() < 0.9999
    line = asked(converted("mindeye1"))
    for option, place in (("--data", larger), ("--gallery", tmp_path / "gallery")):
        line[line.index(option) + 1] = str(place)
    main([*line, "--benchmark"])
    content = read_json(tmp_path / "out" / "benchmark.json")
    assert min(content["per image"]["own_rows"]) >= 0
    assert content["given"] == {"clip": str(networks.clip)}


def test_a_second_converted_run_chooses_among_the_pictures_with_the_same_clip(
    converted, asked, tmp_path
):
    run = converted("mindeye1")
    other = Path(shutil.copytree(run, tmp_path / "other"))
    line = [*asked(run), "--k", "3", "--no-fetch"]
    main(line)
    here = tmp_path / "out"
    there = line.index("--out") + 1
    line[there] = str(tmp_path / "there")
    main([*line, "--select-by", str(other)])
    first, second = (
        [read_json(path) for path in sorted((place / "images").iterdir())]
        for place in (here, tmp_path / "there")
    )
    assert len(first) == 8
    assert first == second


def test_a_gallery_of_another_clip_and_tokens_without_embedding_are_refused(
    converted, asked, networks, tmp_path, refused
):
    line = asked(converted("mindeye1"))
    assert "has no scans and no CLIP of its own" in refused([*line[:2], *line[6:]])
    other = shutil.copytree(networks.clip, tmp_path / "other-clip")
    line[line.index("--clip") + 1] = str(other)
    assert "was embedded by tiny-clip-" in refused(line)
    line[line.index("--clip") + 1] = str(OFFLINE_CLIP)
    assert "was embedded by tiny-clip-" in refused(line)
    told = refused(asked(converted("mindeye2")))
    assert "learned `patches` tokens, of which none is comparable" in told
    assert not (tmp_path / "out").exists()


def _tell_of(folder: Path) -> None:
    from mindeye.data.prepare import written_files
    from mindeye.files import write_json

    manifest = read_json(folder / "manifest.json")
    (folder / "manifest.json").unlink()
    write_json(folder / "manifest.json", {**manifest, **written_files(folder)})


def test_the_page_of_a_gallery_searches_by_the_scans_of_a_converted_run(
    converted, gallery, networks, tiny_prepared
):
    run, opened = converted("mindeye1"), open_gallery(gallery)
    chosen = {"subject": None, "data": tiny_prepared, "device": "cpu"}
    with pytest.raises(ValueError, match="has no scans and no CLIP of its own"):
        brain_images(run, opened, **chosen)
    images, simulated = brain_images(run, opened, **chosen, clip=networks.clip)
    scans = PreparedSubject(tiny_prepared).repeats("test")
    with torch.inference_mode():
        first = load_decoder(run)(scans.mean(), 1).embeddings.unflatten(1, (5, 16))[:, 0]
    np.testing.assert_allclose(images.embeddings, normalize(first, dim=1).numpy(), atol=1e-6)
    assert simulated["preset"] == "tests"
