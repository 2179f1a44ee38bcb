"""Trackers get every line once; one that fails is left alone and changes nothing."""

import json
import sys
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter

from mindeye.training import trackers as trackers_file
from mindeye.training.loop import train
from mindeye.training.trackers import Trackers, flattened
from mindeye.training.watching import Watcher


class CutError(Exception):
    """Raised where a kill would strike."""


class Cut(Watcher):
    def stepped(self, step):
        if step == 10:
            raise CutError


class Shows(Watcher):
    """Sends a picture after every epoch, as the samples do."""

    def __init__(self, trackers):
        self.trackers = trackers

    def epoch_ended(self, epoch, step, *, is_last):
        self.trackers.show("samples", np.full((4, 6, 3), 40 * epoch, np.uint8), step)


class Fake:
    """In place of a tracker's whole package: keeps what it is sent."""

    runs: ClassVar[dict] = {}

    def __init__(self, project, **about):
        self.project, self.about = project, about
        self.lines = self.runs.setdefault((project, about["name"], about.get("id")), [])

    def start(self):
        self.lines.append("start")

    def log(self, values, step):
        self.lines.append((step, values["learning_rate"]))

    def log_images(self, values, step, **options):
        self.lines.append((step, *values))

    def finish(self):
        self.lines.append("finish")


@pytest.fixture
def fakes(monkeypatch):
    """wandb and trackio, which need a network or other versions; (project, name, id) -> lines."""
    Fake.runs = {}
    for kind in ("WandBTracker", "TrackioTracker"):
        monkeypatch.setattr(trackers_file, kind, Fake)
    monkeypatch.setattr(trackers_file, "require_trackers", lambda names: None)
    return Fake.runs


def read(run) -> EventAccumulator:
    events = EventAccumulator(str(run.path / "trackers" / "tensorboard"))
    return events.Reload()


def test_tensorboards_own_reader_finds_every_line_of_the_log(tiny_experiment, tmp_path):
    trackers = Trackers(["tensorboard"])
    run = train(tiny_experiment, tmp_path / "run", watchers=[trackers, Shows(trackers)])
    events, log = read(run), run.read_log()
    for name in ("contrastive", "prior", "learning_rate", "validation_top1_subj01"):
        found = [(one.step, one.value) for one in events.Scalars(name)]
        expected = [(one["step"], one[name]) for one in log if name in one]
        assert found == [(step, pytest.approx(value)) for step, value in expected], name
    assert [one.step for one in events.Scalars("speed/images_per_s")] == [0, 2, 5, 8, 10, 11]
    pictures = events.Images("samples")
    assert [(one.step, one.width, one.height) for one in pictures] == [
        (step, 6, 4) for step in (2, 5, 8, 11)
    ]
    (settings,) = (run.path / "trackers" / "tensorboard").glob("*/hparams.yml")
    assert "schedule.batch: 8" in settings.read_text()


def test_a_resumed_training_has_each_step_once_in_every_tracker(tiny_experiment, fakes, tmp_path):
    schedule = replace(tiny_experiment.schedule, save_every_s=3600.0)
    slow = replace(tiny_experiment, schedule=schedule)
    names = ["tensorboard", "wandb", "trackio"]
    with pytest.raises(CutError):
        train(slow, tmp_path / "run", watchers=[Trackers(names, "ours"), Cut()])
    run = train(slow, tmp_path / "run", watchers=[Trackers(names, "ours")])
    expected = [0, 2, 5, 8, 10, 11]
    assert [one["step"] for one in run.read_log()] == expected
    assert [one.step for one in read(run).Scalars("prior")] == expected
    assert len(fakes) == 2
    for (project, name, _), lines in fakes.items():
        assert project == "ours"
        assert name.startswith("run")
        assert [one[0] for one in lines if isinstance(one, tuple)] == expected
        assert lines.count("start") == lines.count("finish") == 2


@pytest.mark.parametrize("broken", ["start", "log", "log_images", "finish"])
def test_a_tracker_that_fails_is_named_once_and_changes_nothing(
    broken, tiny_experiment, uninterrupted, fakes, tmp_path, monkeypatch
):
    def offline(self, *arguments, **options):
        raise ConnectionError("no such host\nsecond line")

    warnings, other = [], type("Other", (Fake,), {})
    monkeypatch.setattr(trackers_file, "TrackioTracker", other)
    monkeypatch.setattr(Fake, broken, offline)
    for method in ("start", "log", "finish"):
        monkeypatch.setattr(other, method, vars(Fake)[method], raising=False)
    monkeypatch.setattr(other, broken, lambda *arguments, **options: None)
    trackers = Trackers(["wandb", "trackio"], warn=warnings.append)
    run = train(tiny_experiment, tmp_path / "run", watchers=[trackers, Shows(trackers)])
    (warning,) = warnings
    assert warning.startswith(
        "The tracker `wandb` failed (ConnectionError: no such host) and is left alone"
    )
    alone = uninterrupted(tiny_experiment)
    assert run.weights_path.read_bytes() == alone.weights_path.read_bytes()
    assert (run.path / "log.jsonl").read_bytes() == (alone.path / "log.jsonl").read_bytes()
    (theirs,) = (lines for (_, _, identity), lines in fakes.items() if identity is None)
    assert len(theirs) >= 2, "the other tracker went on"


# That of tensorboard's own thread, which our next line meets.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_under_tensorboard_does_not_end_the_training(
    tiny_experiment, tmp_path, monkeypatch
):
    warnings = []

    def full(self, record):
        raise OSError(28, "No space left on device")

    class FillsUp(Watcher):
        def epoch_ended(self, epoch, step, *, is_last):
            if epoch == 2:
                monkeypatch.setattr(RecordWriter, "write", full)

    watchers = [Trackers(["tensorboard"], warn=warnings.append), FillsUp()]
    run = train(tiny_experiment, tmp_path / "run", watchers=watchers)
    (warning,) = warnings
    assert warning.startswith("The tracker `tensorboard` failed (OSError: [Errno 28] No space left")
    assert run.is_finished
    assert [one["step"] for one in run.read_log()] == [0, 2, 5, 8, 10, 11]
    assert [one.step for one in read(run).Scalars("prior")] == [0, 2, 5]


def test_trackers_are_no_part_of_a_run(tiny_experiment, tmp_path):
    run = train(tiny_experiment, tmp_path / "run", watchers=[Trackers(["tensorboard"])])
    again = train(tiny_experiment, run.path)
    assert again.is_finished
    assert "tracker" not in json.dumps(run.provenance())


def test_a_tracker_that_is_not_installed_is_refused_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(LookupError, match=r"`wandb` is not installed. .* 'mindeye\[wandb\]'"):
        Trackers(["wandb"])


def test_settings_are_flat_for_trackers():
    nested = {"seed": 3, "schedule": {"rate": 0.1, "decay": None}, "data": ["a", "b"], "on": True}
    assert flattened(nested) == {
        "seed": 3,
        "schedule.rate": 0.1,
        "schedule.decay": "None",
        "data": "['a', 'b']",
        "on": True,
    }
