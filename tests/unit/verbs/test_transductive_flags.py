"""Every artefact of a run says by which protocol it was tested, and what has seen the test."""

import json
import shutil

import pytest

from mindeye.files import read_json, write_json
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.report import ReportParts, report_run
from mindeye.verbs.retrieval.retrieve import retrieve_run


@pytest.fixture
def flagged(tiny_prepared, tmp_path):
    """The data of the run, prepared with the test's statistics."""
    folder = shutil.copytree(tiny_prepared, tmp_path / "flagged")
    manifest = read_json(folder / "manifest.json")
    write_json(
        folder / "manifest.json",
        {**manifest, "protocol": "nsd-37-avg", "transductive": ["zscore:session-all"]},
    )
    return folder


def test_the_flags_travel_to_retrieval_reconstructions_scores_and_report(finished_run, flagged):
    out = finished_run / "flagged"
    config = ReconstructionConfig(candidates=1, steps=2, prior_steps=2)
    retrieve_run(finished_run, data=flagged)
    reconstruct_run(finished_run, out, config, ScansAsked(data=flagged, num_images=4))
    evaluate_folder(out, data=flagged)
    saved = [
        json.loads((finished_run / "retrieval.json").read_text()),
        json.loads((out / "manifest.json").read_text())["about"],
        json.loads((out / "evaluation.json").read_text()),
    ]
    for content in saved:
        assert content["transductive"] == ["zscore:session-all"]
        assert content["protocol"] == "nsd-37-avg"
    parts = ReportParts(run=finished_run, reconstructions=out, data=flagged)
    report_run(parts, finished_run / "report.html")
    page = (finished_run / "report.html").read_text()
    assert "zscore:session-all" in page
    assert "nsd-37-avg" in page
