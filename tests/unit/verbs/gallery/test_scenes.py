"""`mindeye gallery scenes`: scenes, and among them what a run's test showed."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json


def test_the_test_pictures_of_a_run_are_planted(finished_run, tiny_prepared, tmp_path, capsys):
    out = tmp_path / "scenes"
    arguments = ["gallery", "scenes", "--out", str(out), "--images", "5", "--side", "16"]
    main([*arguments, "--plant", str(finished_run), "--workers", "1"])
    assert "5 in" in capsys.readouterr().out
    with tarfile.open(out / "planted.tar") as tar:
        found = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}
    prepared = PreparedSubject(tiny_prepared)
    for image_id in range(300, 308):
        picture = np.asarray(Image.open(io.BytesIO(found[f"planted-{image_id:05d}.png"])))
        assert (picture == prepared.images[prepared.rows_of(np.array([image_id]))][0]).all()
    assert read_json(out / "SIMULATED.json")["planted"]["number"] == 8
    before = {one.name: one.read_bytes() for one in out.iterdir()}
    with pytest.raises(SystemExit):
        main(arguments)
    assert "holds other scenes (planted" in capsys.readouterr().err
    assert {one.name: one.read_bytes() for one in out.iterdir()} == before


def test_what_belongs_to_a_run_is_refused_without_one(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["gallery", "scenes", "--out", str(tmp_path / "s"), "--subject", "1"])
    assert "Name it with --plant" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
