"""`mindeye evaluate` of what a run has drawn: runs that moved, tables, ceiling and chance."""

import csv
import shutil

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.reconstruction.generators.scenes import ScenesGenerator
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.pipeline import ReconstructionConfig
from mindeye.report.banner import SIMULATED
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.report_parts import ReportParts, saved_parts


@pytest.fixture
def moved(finished_run, tmp_path, change_json):
    """A run that has moved; the folder of reconstructions still names its old place."""
    about = read_json(finished_run / "reconstructions" / "manifest.json")["about"]
    old = str(tmp_path / "gone")
    for name in ("manifest.json", "true_tokens/manifest.json"):
        path = finished_run / "reconstructions" / name
        change_json(path, lambda content: content["about"].update(run=old))
    assert about["run"] != old
    return finished_run


def test_a_run_that_has_moved_is_asked_for_and_nothing_is_written(moved, contents):
    before = contents(moved)
    with pytest.raises(FileNotFoundError, match="gone, which is gone") as caught:
        evaluate_folder(moved / "reconstructions")
    assert "--run" in str(caught.value)
    assert contents(moved) == before


def test_a_run_that_has_moved_gives_the_same_scores(moved, contents):
    folder = moved / "reconstructions"
    before = contents(folder)
    result = evaluate_folder(folder, run_path=moved)
    assert result.about["run"].endswith("gone")
    after = contents(folder)
    changed = {name for name, content in after.items() if content != before.get(name)}
    assert changed == {"evaluation.json"}
    assert read_json(folder / "evaluation.json")["rows"] == [vars(row) for row in result.rows]


def test_the_true_tokens_of_a_run_that_has_moved_are_drawn_and_opened_again(moved):
    shutil.rmtree(moved / "reconstructions" / "true_tokens")
    first = evaluate_folder(moved / "reconstructions", run_path=moved)
    again = evaluate_folder(moved / "reconstructions", run_path=moved)
    assert first.rows == again.rows


@pytest.mark.parametrize("given", [True, False])
def test_a_run_of_other_weights_is_refused(given, finished_run, change_json, contents):
    folder = finished_run / "reconstructions"

    def edit(content):
        content["about"].update(weights="f" * 64, run=str(finished_run))

    change_json(folder / "manifest.json", edit)
    before = contents(finished_run)
    with pytest.raises(ValueError, match="was drawn by weights ffffffffffff"):
        evaluate_folder(folder, run_path=finished_run if given else None)
    assert contents(finished_run) == before


def test_a_folder_that_is_no_run_is_refused(finished_run, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        evaluate_folder(finished_run / "reconstructions", run_path=tmp_path)


def test_a_folder_of_another_generator_is_refused(finished_run, change_json):
    folder = finished_run / "reconstructions"
    shutil.rmtree(folder / "true_tokens")
    change_json(folder / "manifest.json", lambda content: content.update(generator="other-123"))
    with pytest.raises(ValueError, match="was drawn by other-123, but here is tiny-generator"):
        evaluate_folder(folder)
    assert not (folder / "true_tokens").exists()


@pytest.mark.parametrize(
    "file",
    [
        "retrieval.tsv",
        "reconstructions/evaluation.tsv",
        "reconstructions/per_image.tsv",
    ],
)
def test_tables_of_a_simulated_subject_say_so_in_their_first_line(file, finished_run):
    first, *lines = (finished_run / file).read_text().splitlines()
    assert first == f"# {SIMULATED}"
    records = list(csv.DictReader(lines, delimiter="\t"))
    assert records
    assert all(float(record["value"]) is not None for record in records)


def test_scores_of_images_stand_under_their_id(finished_run):
    result = evaluate_folder(finished_run / "reconstructions")
    lines = (finished_run / "reconstructions" / "per_image.tsv").read_text().splitlines()[2:]
    cells = [line.split("\t") for line in lines]
    ours = {int(image): float(value) for system, metric, image, value in cells
            if (system, metric) == ("mindeye", "PixCorr")}  # fmt: skip
    expected = dict(zip(result.image_ids.tolist(), result.per_image["mindeye"]["PixCorr"]))
    assert ours == pytest.approx(expected)


def test_pictures_dealt_at_random_give_the_interval_of_chance(finished_run):
    content = read_json(finished_run / "reconstructions" / "evaluation.json")
    (row,) = (row for row in content["rows"] if row["system"] == "chance: pictures dealt at random")
    assert row["metric"] == "two-way identification (CLIP)"
    assert 0 <= row["low"] < 0.5 < row["high"] <= 1


def test_validation_images_are_drawn_and_scored_for_choosing_settings(finished_run, tmp_path):
    out = tmp_path / "validation"
    config = ReconstructionConfig(candidates=1, steps=2, prior_steps=2)
    drawn = reconstruct_run(finished_run, out, config, ScansAsked(split="validation"))
    assert drawn.image_ids.tolist() == list(range(200, 206))
    assert len(evaluate_folder(out).image_ids) == 6
    with pytest.raises(ValueError, match="holds validation images, but a report shows test"):
        saved_parts(
            ReportParts(run=finished_run, reconstructions=out),
            read_json(out / "manifest.json")["about"],
        )


@pytest.mark.parametrize("option", [("--batch", "3"), ("--max-memory", "20G")])
def test_a_ceiling_that_is_drawn_in_other_batches_scores_the_same(
    option, finished_run, monkeypatch, capsys
):
    folder, asked = finished_run / "reconstructions", []
    before = load_reconstruction(folder / "true_tokens").pictures.astype(int)
    shutil.rmtree(folder / "true_tokens")
    generate = ScenesGenerator.generate

    def watched(self, tokens, **settings):
        asked.append(len(tokens))
        return generate(self, tokens, **settings)

    monkeypatch.setattr(ScenesGenerator, "generate", watched)
    main(["evaluate", str(folder), *option])
    # Measuring draws one picture; all eight then fit.
    assert asked == ([3, 3, 2] if option[0] == "--batch" else [1, 8])
    after = load_reconstruction(folder / "true_tokens").pictures.astype(int)
    assert np.abs(after - before).max() <= 1
