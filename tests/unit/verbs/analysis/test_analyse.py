"""`mindeye analyse` on a finished tiny run."""

import csv
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.report.banner import SIMULATED
from mindeye.verbs.analysis.analyse import PARTS, analyse_run
from mindeye.verbs.analysis.analysis_material import AbsentError


@pytest.fixture
def out(tmp_path):
    return tmp_path / "analysis"


def lines_of(path):
    with path.open() as stream:
        return list(csv.DictReader((line for line in stream if line[0] != "#"), delimiter="\t"))


def test_every_part_leaves_points_maps_and_a_page(finished_run, out):
    found = analyse_run(finished_run, out)
    done = set(found.findings) | set(found.absent)
    assert done == set(PARTS)
    page = (out / "report.html").read_text()
    assert SIMULATED in page
    rows = lines_of(out / "analysis.tsv")
    assert rows
    for row in rows:
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    saved = json.loads((out / "analysis.json").read_text())
    assert len(saved["points"]) == len(rows)
    assert saved["about"]["simulated"] is not None
    for name, reason in found.absent.items():
        assert f"`{name}`" in reason
        assert saved["absent"][name] == reason


@pytest.fixture
def on_grid(finished_run, monkeypatch):
    """The run's voxels get places: a row along z, each second one."""
    place = json.loads((finished_run / "provenance.json").read_text())["paths"]["data"][0]
    bundle = PreparedSubject(place).bundle
    coordinates = np.zeros((bundle.num_voxels, 3), dtype=np.int16)
    coordinates[:, 2] = 2 * np.arange(bundle.num_voxels)
    placed = replace(
        bundle,
        shape=(2, 3, 2 * bundle.num_voxels),
        affine=np.diag([1.8, 1.8, 1.8, 1.0]),
        coordinates=coordinates,
    )
    monkeypatch.setattr(PreparedSubject, "bundle", placed)
    return PreparedSubject(place)


def test_the_saved_ceiling_is_that_of_the_bundle_on_its_grid(on_grid, finished_run, out):
    found = analyse_run(finished_run, out, parts=["ceiling"])
    volume = np.asanyarray(nibabel.load(out / "maps" / "noise_ceiling.nii.gz").dataobj)
    repeats = on_grid.repeats("test").present.sum(1).numpy()
    ncsnr = on_grid.bundle.ncsnr.astype(float)
    expected = ncsnr**2 / (ncsnr**2 + np.mean(1 / repeats))
    np.testing.assert_allclose(volume[0, 0, ::2], expected, rtol=1e-6)
    assert np.isnan(volume[1]).all()
    assert set(found.findings["ceiling"].maps) == {"noise ceiling", "encoding correlation"}
    page = (out / "report.html").read_text()
    assert "Maps: ceiling" in page
    assert "placeholder" in page


def test_voxels_without_coordinates_have_numbers_but_no_maps(finished_run, out):
    analyse_run(finished_run, out, parts=["ceiling"])
    assert not (out / "maps").exists()
    page = (out / "report.html").read_text()
    assert "have no coordinates" in page
    assert "Maps: ceiling" not in page


def test_a_part_that_is_done_is_not_done_again_and_gives_the_same(finished_run, out, monkeypatch):
    analyse_run(finished_run, out, parts=["repeats", "patterns"])
    before = {name: (out / name).read_bytes() for name in ("analysis.tsv", "report.html")}
    for name in ("repeats", "patterns"):
        monkeypatch.setitem(PARTS, name, lambda _: pytest.fail("done again"))
    analyse_run(finished_run, out, parts=["repeats", "patterns"])
    assert before == {name: (out / name).read_bytes() for name in before}


def test_a_part_killed_on_its_way_is_done_again(finished_run, out, monkeypatch):
    whole = PARTS["patterns"]

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(PARTS, "patterns", killed)
    with pytest.raises(KeyboardInterrupt):
        analyse_run(finished_run, out, parts=["repeats", "patterns"])
    assert not (out / "analysis.json").exists()
    monkeypatch.setitem(PARTS, "patterns", whole)
    monkeypatch.setitem(PARTS, "repeats", lambda _: pytest.fail("was done"))
    found = analyse_run(finished_run, out, parts=["repeats", "patterns"])
    assert set(found.findings) == {"repeats", "patterns"}


def test_a_folder_of_something_else_is_left_alone(finished_run, out, contents):
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    before = contents(out)
    with pytest.raises(ValueError, match="holds no analysis"):
        analyse_run(finished_run, out)
    assert contents(out) == before


def test_an_analysis_with_another_seed_is_left_alone(finished_run, out, contents):
    analyse_run(finished_run, out, parts=["repeats"])
    before = contents(out)
    with pytest.raises(ValueError, match="with seed 0, not 1"):
        analyse_run(finished_run, out, parts=["repeats"], seed=1)
    assert contents(out) == before


def test_a_part_asked_for_by_name_must_have_its_data(finished_run, out, monkeypatch):
    def absent(_):
        raise AbsentError("nothing known")

    monkeypatch.setitem(PARTS, "ceiling", absent)
    with pytest.raises(AbsentError, match="nothing known"):
        analyse_run(finished_run, out, parts=["ceiling"])
    found = analyse_run(finished_run, out)
    assert found.absent["ceiling"] == "nothing known"
    assert "nothing known" in (out / "report.html").read_text()


def test_a_pool_without_a_choice_is_refused_before_any_part_is_done(finished_run, out):
    with pytest.raises(ValueError, match="pool of 1 cannot be drawn"):
        analyse_run(finished_run, out, parts=["patterns"], pool_size=1)
    assert not out.exists()


def test_a_background_of_another_grid_is_refused_before_anything_is_written(
    finished_run, out, tmp_path
):
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), dtype=np.int16), np.eye(4))
    nibabel.save(image, tmp_path / "t1.nii.gz")
    with pytest.raises(ValueError, match=r"grid \(3, 4, 5\), but the voxels lie on"):
        analyse_run(finished_run, out, background=tmp_path / "t1.nii.gz")
    assert not out.exists()


def test_the_command_says_what_it_found_and_refuses_unknown_parts(finished_run, out, capsys):
    main(["analyse", str(finished_run), "--out", str(out), "--parts", "repeats"])
    said = capsys.readouterr().out
    assert "test images were shown" in said
    assert str(out / "report.html") in said
    assert SIMULATED in said
    with pytest.raises(SystemExit) as ended:
        main(["analyse", str(finished_run), "--out", str(out), "--parts", "flatmaps"])
    assert ended.value.code == 2
    assert "no part `flatmaps`. Choose of regions, repeats" in capsys.readouterr().err
