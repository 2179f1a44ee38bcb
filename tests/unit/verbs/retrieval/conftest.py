"""A gallery of drawn scenes among which the test pictures of the finished run are planted."""

from pathlib import Path

import pytest

from mindeye.cli import main
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.retrieval.gallery.pictures.reader import PictureReader
from mindeye.verbs.retrieval.gallery_material import GallerySettings, open_material


@pytest.fixture(scope="session")
def planted_gallery(tiny_prepared, networks, tmp_path_factory) -> Path:
    """150 scenes and 8 planted pictures, with all tokens; read only."""
    from mindeye.data.batches import PreparedSubject
    from mindeye.simulate.scene_tars import SceneTars, write_scene_tars
    from mindeye.verbs.gallery.scenes import planted_pictures

    folder = tmp_path_factory.mktemp("planted")
    planted = planted_pictures(PreparedSubject(tiny_prepared))
    scenes = SceneTars(num_scenes=150, side=32, scenes_per_tar=80)
    write_scene_tars(folder / "scenes", scenes, planted, about_planted={"n": 8}, workers=1)
    given = ["--out", str(folder / "gallery"), "--clip", str(networks.clip), "--tokens"]
    main(["gallery", "build", str(folder / "scenes"), *given])
    return folder / "gallery"


@pytest.fixture
def material(finished_run, planted_gallery):
    return open_material(finished_run, planted_gallery, GallerySettings())


@pytest.fixture
def reader(planted_gallery):
    return PictureReader(gallery=open_gallery(planted_gallery))
