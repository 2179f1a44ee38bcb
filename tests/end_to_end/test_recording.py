"""A recording through prepare, train and decode: a made-up small one, and the real one's facts."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from mindeye.data.recordings import FACTS, FOLDER_VARIABLE, Recording, drawn_figures, read_recording
from mindeye.verbs.demonstration.recording import decode_recording, run_recording
from mindeye.verbs.demonstration.recording_folds import DECODED_FILE

NAME = "miyawaki2008-figures"
FIGURES, SESSIONS, VOXELS = 6, 3, 40


def made_up(*, signal: float) -> Recording:
    """Voxels linear in the patches plus noise; every session shows every figure twice."""
    generator = np.random.default_rng(1)
    figures = (generator.random((FIGURES, 10, 10)) < 0.4).astype(np.uint8)
    shown = [generator.permutation(FIGURES) for _ in range(2 * SESSIONS)]
    image_ids = np.concatenate(shown).astype(np.int64)
    weights = generator.normal(size=(100, VOXELS)) / 5
    noise = generator.normal(size=(len(image_ids), VOXELS))
    betas = signal * figures.reshape(FIGURES, -1)[image_ids] @ weights + noise
    return Recording(
        name=NAME,
        facts=FACTS[NAME],
        sha256="0" * 64,
        betas=betas.astype(np.float32),
        image_ids=image_ids,
        groups=np.repeat(np.arange(SESSIONS), 2 * FIGURES),
        figures=figures,
    )


@pytest.fixture
def experiment(tiny_experiment):
    schedule = replace(tiny_experiment.schedule, num_epochs=20, batch=FIGURES, save_every_s=60.0)
    backbone = replace(tiny_experiment.decoder.backbone, num_blocks=0)
    decoder = replace(tiny_experiment.decoder, backbone=backbone)
    return replace(tiny_experiment, data=(), schedule=schedule, decoder=decoder)


def silent(_title):
    return lambda _done, _total: None


def value_of(rows, system, metric):
    (row,) = [row for row in rows if row.system == system and metric in row.metric]
    return row


TWO_WAY = "new session: two-way identification by embedding"


def test_signal_is_found_and_a_rerun_only_reads(experiment, tmp_path):
    out = tmp_path / "out"
    rows = decode_recording(out, made_up(signal=3.0), experiment, silent)
    for system in ("mindeye", "ridge regression"):
        found = next(row for row in rows if (row.system, row.metric) == (system, TWO_WAY))
        assert found.low > 0.6
        assert value_of(rows, f"{system}: p against its null", TWO_WAY).value < 0.01
    assert all(row.low <= row.value <= row.high for row in rows)
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["rows"]) == len(rows)
    assert "Neuron 60(5)" in summary["citation"]
    page = (out / "report.html").read_text()
    assert "Real human recording" in page
    assert "Neuron 60(5)" in page
    written = {path: path.stat().st_mtime_ns for path in (out / "folds").rglob("*")}
    assert sum(path.name == DECODED_FILE for path in written) == SESSIONS + 5
    assert decode_recording(out, made_up(signal=3.0), experiment, silent) == rows
    assert written == {path: path.stat().st_mtime_ns for path in (out / "folds").rglob("*")}
    longer = replace(experiment, schedule=replace(experiment.schedule, num_epochs=21))
    with pytest.raises(ValueError, match=r"decoded with other settings .*num_epochs: 21"):
        decode_recording(out, made_up(signal=3.0), longer, silent)
    assert json.loads((out / "summary.json").read_text()) == summary


def test_without_signal_the_score_lies_within_its_null(experiment, tmp_path):
    rows = decode_recording(tmp_path / "out", made_up(signal=0.0), experiment, silent)
    for system in ("mindeye", "ridge regression"):
        null = value_of(rows, f"null of {system}: mean, lowest, highest", TWO_WAY)
        found = next(row for row in rows if (row.system, row.metric) == (system, TWO_WAY))
        assert null.low < found.value < null.high
        assert value_of(rows, f"{system}: p against its null", TWO_WAY).value > 0.01


def test_a_folder_of_something_else_is_refused(experiment, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no decoded recording"):
        decode_recording(tmp_path, made_up(signal=1.0), experiment, silent)


def test_an_unknown_recording_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(LookupError, match="no recording `dreams` here"):
        run_recording(tmp_path / "out", "dreams", 0, silent)
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@pytest.mark.skipif(
    FOLDER_VARIABLE not in os.environ,
    reason=f"needs the recordings: {FOLDER_VARIABLE}=FOLDER pytest -m data",
)
def test_the_real_recording_is_as_its_paper_describes():
    recording = read_recording(NAME)
    assert recording.betas.shape == (120, 967)
    assert recording.figures.shape == (20, 10, 10)
    assert len(np.unique(drawn_figures(recording.figures), axis=0)) == 20
    sessions = np.unique(recording.groups)
    assert len(sessions) == 12
    for session in sessions:
        shown, counts = np.unique(
            recording.image_ids[recording.groups == session], return_counts=True
        )
        assert len(shown) == 5
        assert (counts == 2).all()
