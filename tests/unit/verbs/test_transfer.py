"""Data that only test a run: the run's own test under other ids must score the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.data.prepare import written_files
from mindeye.data.shards import ShardWriter
from mindeye.files import read_json, write_json
from mindeye.reconstruction.opening import open_run, open_training
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.training.plan import prepared_subjects
from mindeye.verbs.drawing.plan import plan_reconstruction
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.report import ReportParts, report_run
from mindeye.verbs.retrieval.retrieve import retrieve_run

OFFSET = 2_000_000
CONFIG = ReconstructionConfig(candidates=1, steps=2, prior_steps=2)
MANIFEST = {
    "dataset": "nsdimagery",
    "protocol": "nsd-imagery",
    "task": "vision",
    "zscore": "run-all",
    "transductive": ["zscore:run-all"],
    "pictures": "as they are",
    "left_out": {"no single picture": ["attA", "visC"]},
    "nsd_images": {},
}


@pytest.fixture
def transfer(tiny_prepared, tmp_path) -> Path:
    """The test of the tiny data, as if another experiment had shown it."""
    original, folder = PreparedSubject(tiny_prepared), tmp_path / "transfer"
    shutil.copytree(tiny_prepared / "bundle", folder / "bundle")
    table, writer = original.table("test"), ShardWriter(folder, "test")
    columns = (table.image_ids, table.trials, table.repeats)
    for betas, image_id, trial, repeat in zip(table.betas, *columns, strict=True):
        numbers = {"trial": int(trial), "repeat": int(repeat), "session": 1, "run": 1}
        writer.write(betas, image_id=int(image_id) + OFFSET, subject=1, **numbers)
    writer.close()
    ids = original.image_ids_of("test")
    np.save(folder / "image_ids.npy", ids + OFFSET)
    np.save(folder / "images.npy", original.images[original.rows_of(ids)])
    none = {"shards": [], "num_trials": 0, "num_images": 0}
    test = {"shards": writer.names, "num_trials": writer.num_trials, "num_images": len(ids)}
    splits = {"train": none, "validation": none, "test": test}
    manifest = {**original.manifest, **MANIFEST, "splits": splits, **written_files(folder)}
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def edited(transfer, change_json):
    """(name=value, ...): changes its manifest."""

    def edit(**values) -> Path:
        change_json(transfer / "manifest.json", lambda manifest: manifest.update(values))
        return transfer

    return edit


def test_retrieval_equals_that_of_the_same_scans_and_has_a_file_of_its_own(
    finished_run, transfer, contents
):
    own = retrieve_run(finished_run)
    before = contents(finished_run)
    found = retrieve_run(finished_run, data=transfer)
    assert found.rows == own.rows
    assert (found.found_ids - OFFSET).tolist() == own.found_ids.tolist()
    after = contents(finished_run)
    new = {"retrieval-nsd-imagery-vision.json", "retrieval-nsd-imagery-vision.tsv"}
    assert after.keys() - before.keys() == new
    assert after["retrieval.json"] == before["retrieval.json"]
    saved = read_json(finished_run / "retrieval-nsd-imagery-vision.json")
    assert (saved["protocol"], saved["task"]) == ("nsd-imagery", "vision")
    assert saved["transductive"] == ["zscore:run-all"]
    assert saved["trained_by"]["protocol"] == "made up"
    assert "trained_by" not in read_json(finished_run / "retrieval.json")


def test_scores_equal_those_of_the_same_scans_with_the_training_images_as_a_floor(
    finished_run, transfer, tmp_path
):
    folders = {"own": tmp_path / "own", "other": tmp_path / "other"}
    reconstruct_run(finished_run, folders["own"], CONFIG)
    reconstruct_run(finished_run, folders["other"], CONFIG, ScansAsked(data=transfer))
    # The noise of an image goes by its id: only what is drawn from no noise can be compared.
    own = evaluate_folder(folders["own"])
    other = evaluate_folder(folders["other"])
    assert {row.system for row in own.rows} == {row.system for row in other.rows}
    floor = "floor: nearest training image"
    for metric, values in own.per_image[floor].items():
        np.testing.assert_array_equal(other.per_image[floor][metric], values)
    saved = read_json(folders["other"] / "evaluation.json")
    assert (saved["protocol"], saved["data"]) == ("nsd-imagery", str(transfer.resolve()))
    assert saved["left_out"] == {"no single picture": ["attA", "visC"]}


def test_without_the_training_images_their_floor_is_left_out_and_said(
    finished_run, transfer, tmp_path, change_json, capsys
):
    lost = tmp_path / "lost"

    def move(provenance):
        provenance["paths"]["data"] = [str(lost)]

    change_json(finished_run / "provenance.json", move)
    reconstruct_run(finished_run, tmp_path / "out", CONFIG, ScansAsked(data=transfer))
    main(["evaluate", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert "protocol: nsd-imagery vision; the run was trained by made up" in shown
    assert "steps that saw the test: zscore:run-all" in shown
    assert "left out (no single picture): attA, visC" in shown
    assert f"no floor: nearest training image. The run's training images are gone: {lost}" in shown
    systems = {row["system"] for row in read_json(tmp_path / "out/evaluation.json")["rows"]}
    assert "floor: nearest training image" not in systems
    assert "ceiling: true tokens" in systems


def test_the_training_images_are_those_of_the_run_s_own_data(finished_run, transfer):
    prepared, targets = open_training(open_run(finished_run, data=transfer))
    own = open_run(finished_run)
    assert prepared.path == own.prepared.path
    np.testing.assert_array_equal(targets.tokens_array, own.targets.tokens_array)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"subject": 2}, "is of subject 2, but subject 1 of this run is asked for"),
        ({"voxel_hash": "f" * 64}, "has voxels ffffffffffff, but this run was trained on"),
        ({"beta_version": "b2"}, r"has betas b2, .* trained on b3\. .* with --betas b3"),
        ({"zscore": "none"}, r"scope none, but this run was trained on z-scored betas \(session-"),
        ({"nsd_images": {"2000301": 105, "2000302": 7}}, "trained on 1 of them .*73k id 105"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(finished_run, edited, values, match):
    with pytest.raises(ValueError, match=match):
        open_run(finished_run, data=edited(**values))


def test_images_of_nsd_need_the_training_data_to_tell_a_leak(
    finished_run, edited, change_json, tmp_path
):
    place = edited(nsd_images={"2000301": 7})
    assert open_run(finished_run, data=place).prepared.is_test_only

    def move(provenance):
        provenance["paths"]["data"] = [str(tmp_path / "lost")]

    change_json(finished_run / "provenance.json", move)
    with pytest.raises(ValueError, match="nobody can tell whether it was trained on them"):
        open_run(finished_run, data=place)


def test_there_is_no_validation_no_report_and_no_training(
    finished_run, transfer, tmp_path, tiny_experiment
):
    out, chosen = tmp_path / "out", ScansAsked(data=transfer, split="validation")
    with pytest.raises(ValueError, match="nsd-imagery has no validation images: it only tests"):
        plan_reconstruction(finished_run, CONFIG, chosen)
    with pytest.raises(ValueError, match="nsd-imagery has no validation images: it only tests"):
        reconstruct_run(finished_run, out, CONFIG, chosen)
    assert not out.exists()
    with pytest.raises(ValueError, match="A report shows the run's own test images, but"):
        report_run(ReportParts(run=finished_run, data=transfer), tmp_path / "page.html")
    reconstruct_run(finished_run, out, CONFIG, ScansAsked(data=transfer))
    parts = ReportParts(run=finished_run, reconstructions=out)
    with pytest.raises(ValueError, match="holds images of nsd-imagery, but a report shows"):
        report_run(parts, tmp_path / "page.html")
    config = type(tiny_experiment)(**{**vars(tiny_experiment), "data": (transfer,)})
    with pytest.raises(ValueError, match="holds nsd-imagery, which only tests: there is nothing"):
        prepared_subjects(config)


def test_a_folder_is_scored_with_the_data_that_it_shows(
    finished_run, transfer, tiny_prepared, tmp_path
):
    reconstruct_run(finished_run, tmp_path / "out", CONFIG, ScansAsked(data=transfer))
    with pytest.raises(ValueError, match="holds images of nsd-imagery vision, but the data are of"):
        evaluate_folder(tmp_path / "out", data=tiny_prepared)
    with pytest.raises(ValueError, match=r"of made up, but the data are of nsd-imagery vision"):
        evaluate_folder(finished_run / "reconstructions", data=transfer)
    moved = transfer.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match=r"transfer/manifest.json is missing"):
        evaluate_folder(tmp_path / "out")
    assert evaluate_folder(tmp_path / "out", data=moved).about["protocol"] == "nsd-imagery"


def test_the_screen_says_which_test_it_was(finished_run, transfer, capsys):
    main(["retrieve", str(finished_run), "--data", str(transfer)])
    shown = capsys.readouterr().out
    assert "retrieval-nsd-imagery-vision.json" in shown
    assert "protocol: nsd-imagery vision; the run was trained by made up" in shown
    main(["retrieve", str(finished_run)])
    assert "protocol:" not in capsys.readouterr().out
