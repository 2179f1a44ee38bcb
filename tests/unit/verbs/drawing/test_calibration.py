"""`mindeye reconstruct --calibration`: what it writes, what marks it sets, what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.files import load_arrays, read_json, save_arrays
from mindeye.reconstruction import uncertainty
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs.drawing import calibration
from mindeye.verbs.drawing.beside import BesideAsked
from mindeye.verbs.drawing.calibration import marks_of, read_uncertainty
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.report import report_run
from mindeye.verbs.report_parts import ReportParts

# As `finished_run` draws its test images.
CONFIG = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)


@pytest.fixture
def few(monkeypatch):
    """The tiny subject has six validation images."""
    monkeypatch.setattr(uncertainty, "FEWEST_IMAGES", 6)


@pytest.fixture
def validation(finished_run, tmp_path, few):
    out = tmp_path / "validation"
    reconstruct_run(finished_run, out, CONFIG, ScansAsked(split="validation"))
    return out


def calibrated(finished_run, validation, trust: float = 0.6):
    """The run's test pictures, which are there already, with their trust."""
    asked = BesideAsked(calibration=validation, trust=trust)
    out = finished_run / "reconstructions"
    reconstruct_run(finished_run, out, CONFIG, beside=asked)
    return out


def test_trust_is_written_beside_pictures_that_stay_as_they_are(finished_run, validation):
    before = (finished_run / "reconstructions" / "reconstructions.safetensors").read_bytes()
    out = calibrated(finished_run, validation)
    assert (out / "reconstructions.safetensors").read_bytes() == before
    record, drawn = read_json(out / "uncertainty.json"), load_reconstruction(out)
    assert list(record["images"]) == [str(one) for one in drawn.image_ids]
    table = record["calibration"]["two_way"]
    measure = record["calibration"]["measure"]
    doubts = {"spread": drawn.spread, "distance_from_scan": 1 - drawn.scores.max(1)}[measure]
    for row, one in enumerate(record["images"].values()):
        expected = np.interp(doubts[row], table["doubts"], table["values"])
        assert one["expected_two_way"] == pytest.approx(expected, abs=1e-6)
        assert one["is_trusted"] == (one["expected_two_way"] >= 0.6)
    lines = [json.loads(line) for line in (out / "choices.jsonl").read_text().splitlines()]
    for line in lines:
        kept = record["images"][str(line["image_id"])]
        assert line["expected_two_way"] == kept["expected_two_way"]
    assert len(lines) == 16


def test_the_table_is_fitted_to_the_validation_pictures(finished_run, validation):
    """The wins of the validation pictures, as `mindeye evaluate` counts them."""
    wins = evaluate_folder(validation).per_image["mindeye"]["two-way identification (CLIP)"]
    calibrated_on = read_json(calibrated(finished_run, validation) / "uncertainty.json")
    assert calibrated_on["calibration"]["num_images"] == 6
    doubts = np.array(calibrated_on["calibration"]["two_way"]["values"])
    assert wins.min() - 1e-9 <= doubts.min() <= wins.mean() <= doubts.max() <= wins.max() + 1e-9


@pytest.mark.parametrize("trust", [0.0, 1.0])
def test_evaluation_and_page_tell_the_marked_pictures_apart(finished_run, validation, trust):
    out = calibrated(finished_run, validation, trust)
    marks = marks_of(out)
    found = read_uncertainty(out)["images"]
    assert marks.keys() == {one for one, told in found.items() if told["expected_two_way"] < trust}
    rows = {(row.system, row.metric): row for row in evaluate_folder(out).rows}
    kinds = {"mindeye, not to be trusted": len(marks), "mindeye, trusted": 8 - len(marks)}
    for system, count in kinds.items():
        row = rows.get((system, "two-way identification (CLIP)"))
        assert (row.n if row else 0) == (count if count >= 2 else 0)
    page = finished_run / "report.html"
    grids = report_run(ReportParts(run=finished_run, reconstructions=out), page).pictures
    text = page.read_text()
    # The eight test images are all on the page; those that are marked once more, by themselves.
    assert text.count('class="doubt"') == 2 * len(marks)
    assert "calibrated on 6 validation images" in text
    assert [grid.title for grid in grids[1:]] == (["Not to be trusted"] if marks else [])
    if marks:
        expected = [found[one]["expected_two_way"] for one in grids[1].image_ids.tolist()]
        assert expected == sorted(expected)
        assert set(grids[1].image_ids.tolist()) == marks.keys()
        assert f"{len(marks)} of the {len(marks)} marked ones of 8 reconstructed" in text
        rows = np.searchsorted(grids[0].image_ids, grids[1].image_ids)
        for label, pictures in grids[1].columns.items():
            np.testing.assert_array_equal(pictures, grids[0].columns[label][rows])


def test_without_calibration_nothing_is_marked(finished_run):
    out = finished_run / "reconstructions"
    assert read_uncertainty(out) is None
    assert marks_of(out) == {}
    assert not [row for row in evaluate_folder(out).rows if "trusted" in row.system]


def test_what_is_no_calibration_is_refused_before_anything_is_drawn(
    finished_run, validation, tmp_path
):
    run, drawn = finished_run, finished_run / "reconstructions"
    for folder, config, message in (
        (drawn, CONFIG, "holds test images, but trust is calibrated on validation images"),
        (validation, replace(CONFIG, steps=3), r"other settings \(steps: 3 here, 2 there\)"),
        (validation, replace(CONFIG, selection="first"), "selection: 'first' here, 'second-order'"),
        (tmp_path / "absent", CONFIG, "absent does not exist"),
    ):
        asked = BesideAsked(calibration=folder)
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            reconstruct_run(run, tmp_path / "out", config, beside=asked)
    assert not (tmp_path / "out").exists()


def test_another_seed_may_be_calibrated_with_it(finished_run, validation, tmp_path):
    asked = BesideAsked(calibration=validation)
    reconstruct_run(finished_run, tmp_path / "out", replace(CONFIG, seed=5), beside=asked)
    assert read_uncertainty(tmp_path / "out") is not None


def test_another_run_or_protocol_is_refused(finished_run, validation, change_json):
    manifest = validation / "manifest.json"
    change_json(manifest, lambda content: content["about"].update(protocol="nsd-imagery"))
    with pytest.raises(ValueError, match="is of protocol nsd-imagery, but made up is drawn"):
        calibrated(finished_run, validation)
    change_json(manifest, lambda content: content["about"].update(weights="22bb"))
    with pytest.raises(ValueError, match="was made with weights 22bb"):
        calibrated(finished_run, validation)


def test_a_damaged_file_is_named(finished_run, validation):
    out = calibrated(finished_run, validation)
    (out / calibration.UNCERTAINTY).write_text('{"images": []}')
    with pytest.raises(ValueError, match="is not what --calibration writes"):
        marks_of(out)


def test_an_older_folder_without_the_calibrated_measure_is_refused(
    finished_run, validation, monkeypatch
):
    def by_spread_alone(scores, spread):
        return {} if spread is None else {"spread": spread.astype(np.float64)}

    monkeypatch.setattr(calibration, "doubts_of", by_spread_alone)
    file = finished_run / "reconstructions" / "reconstructions.safetensors"
    arrays = load_arrays(file)
    del arrays["spread"]
    save_arrays(file, arrays)
    with pytest.raises(ValueError, match="drawn before the spread of candidates was kept"):
        calibrated(finished_run, validation)


def test_too_few_validation_images_are_refused(finished_run, validation, monkeypatch):
    monkeypatch.setattr(uncertainty, "FEWEST_IMAGES", 30)
    with pytest.raises(ValueError, match="6 validation images are too few"):
        calibrated(finished_run, validation)


def test_from_the_command_line(finished_run, validation, tmp_path, capsys):
    out = tmp_path / "out"
    settings = ("--candidates", "2", "--steps", "2", "--prior-steps", "2")
    given = ("reconstruct", str(finished_run), "--out", str(out), *settings)
    main([*given, "--calibration", str(validation), "--trust", "0.7"])
    assert read_json(out / "uncertainty.json")["calibration"]["trust"] == 0.7
    with pytest.raises(SystemExit) as end:
        main([*given, "--trust", "0.7"])
    assert end.value.code == 2
    assert "--trust is of no use without --calibration" in capsys.readouterr().err
