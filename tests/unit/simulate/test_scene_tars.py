"""Tars of drawn scenes against the scenes themselves, read by tarfile and Pillow."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from mindeye.files import read_json
from mindeye.simulate.scene_tars import FIRST_SCENE, NamedPicture, SceneTars, write_scene_tars
from mindeye.simulate.scenes import caption_of, scene_image, scene_of

SCENES = SceneTars(num_scenes=7, seed=3, side=32, scenes_per_tar=3)
PLANTED = [NamedPicture("planted-00042", np.full((8, 8, 3), 9, np.uint8), None)]


def samples(path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar.getmembers()}


def contents(folder) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def test_tars_hold_every_scene_with_its_caption(tmp_path):
    write_scene_tars(tmp_path / "t", SCENES, PLANTED, about_planted={"run": "r"}, workers=1)
    found = {}
    for number in range(3):
        found |= samples(tmp_path / "t" / f"{number:05d}.tar")
    assert len(found) == 14
    for row in range(7):
        pixels = np.asarray(Image.open(io.BytesIO(found[f"{row:09d}.png"])))
        assert (pixels == scene_image(3, FIRST_SCENE + row, 32)).all()
        assert found[f"{row:09d}.txt"].decode() == caption_of(scene_of(3, FIRST_SCENE + row))
    planted = samples(tmp_path / "t" / "planted.tar")
    assert planted.keys() == {"planted-00042.png"}
    marker = read_json(tmp_path / "t" / "SIMULATED.json")
    assert marker["simulated"]
    assert marker["planted"] == {"run": "r"}


def test_a_folder_that_was_killed_goes_on_and_is_the_same(tmp_path):
    write_scene_tars(tmp_path / "whole", SCENES, workers=2)
    write_scene_tars(tmp_path / "again", SCENES, workers=1)
    (tmp_path / "again" / "00001.tar").unlink()
    kept = (tmp_path / "again" / "00000.tar").stat().st_mtime_ns
    steps = []
    write_scene_tars(tmp_path / "again", SCENES, progress=lambda *told: steps.append(told))
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")
    assert (tmp_path / "again" / "00000.tar").stat().st_mtime_ns == kept
    assert steps == [("scenes", 4, 7), ("scenes", 7, 7)]


def test_a_folder_of_something_else_is_refused(tmp_path):
    write_scene_tars(tmp_path / "t", SCENES, workers=1)
    before = contents(tmp_path / "t")
    with pytest.raises(ValueError, match=r"holds other scenes \(seed: 3, asked for 4\)"):
        write_scene_tars(tmp_path / "t", SceneTars(num_scenes=7, seed=4, side=32, scenes_per_tar=3))
    assert contents(tmp_path / "t") == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ValueError, match="holds no scenes"):
        write_scene_tars(tmp_path / "other", SCENES)
    with pytest.raises(ValueError, match=r"0 scenes .* cannot be drawn"):
        SceneTars(num_scenes=0)
