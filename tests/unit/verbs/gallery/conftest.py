"""A gallery of drawn scenes, embedded by the tests' network."""

import pytest

from mindeye.cli import main
from mindeye.simulate.scene_tars import NamedPicture, SceneTars, write_scene_tars
from mindeye.simulate.scenes import scene_image

NUM_SCENES = 30


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """30 scenes, and the first two of them once more; read only."""
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    first = 2_000_000_000
    again = [NamedPicture(f"again-{n}", scene_image(0, first + n, 32), "again") for n in range(2)]
    how = SceneTars(num_scenes=NUM_SCENES, side=32, scenes_per_tar=12)
    write_scene_tars(folder, how, again, about_planted={"made": "twice"}, workers=1)
    return folder


@pytest.fixture(scope="session")
def gallery(scenes, networks, tmp_path_factory):
    """Read only."""
    out = tmp_path_factory.mktemp("built") / "gallery"
    main(["gallery", "build", str(scenes), "--out", str(out), "--clip", str(networks.clip)])
    return out
