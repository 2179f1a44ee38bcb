"""Those who look on see every step, line and epoch, and change nothing."""

import json
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mindeye.training.loop import train
from mindeye.training.speed import Stopwatch, peak_memory_gb
from mindeye.training.watching import SPEED_LOG, Watcher


class Notebook(Watcher):
    """Writes down what it is told, and draws from torch's global stream all the while."""

    def __init__(self):
        self.seen = []

    def begins(self, state, first):
        torch.rand(5)
        self.seen.append(("begins", first))

    def stepped(self, step):
        self.seen.append(("stepped", step))

    def logged(self, line, speed):
        self.seen.append(("logged", line["step"], dict(line)))

    def epoch_ended(self, epoch, step, *, is_last):
        torch.rand(7)
        self.seen.append(("epoch", epoch, step))

    def ends(self):
        self.seen.append(("ends",))


class Refusal(Watcher):
    def stepped(self, step):
        if step == 4:
            raise ValueError("enough")


def told(notebook: Notebook, what: str) -> list:
    return [one[1] for one in notebook.seen if one[0] == what]


def test_a_watcher_is_told_of_every_step_line_and_epoch_in_order(tiny_experiment, tmp_path):
    notebook = Notebook()
    run = train(tiny_experiment, tmp_path / "run", watchers=[notebook])
    assert notebook.seen[0] == ("begins", 0)
    assert notebook.seen[-1] == ("ends",)
    assert told(notebook, "stepped") == list(range(12))
    assert told(notebook, "epoch") == [1, 2, 3, 4]
    assert [one[2] for one in notebook.seen if one[0] == "logged"] == run.read_log()


def test_a_watched_training_ends_in_the_same_bits(tiny_experiment, uninterrupted, tmp_path):
    watched = train(tiny_experiment, tmp_path / "run", watchers=[Notebook()])
    alone = uninterrupted(tiny_experiment)
    assert watched.weights_path.read_bytes() == alone.weights_path.read_bytes()
    assert (watched.path / "log.jsonl").read_bytes() == (alone.path / "log.jsonl").read_bytes()


def test_at_the_end_of_an_epoch_a_watcher_sees_the_weights_that_would_be_kept(
    tiny_experiment, tmp_path
):
    class Copyist(Watcher):
        def begins(self, state, first):
            self.decoder = state.decoder

        def epoch_ended(self, epoch, step, *, is_last):
            self.weights = {name: one.clone() for name, one in self.decoder.state_dict().items()}

    copyist = Copyist()
    averaged = replace(tiny_experiment, choice=replace(tiny_experiment.choice, ema_decay=0.6))
    run = train(averaged, tmp_path / "run", watchers=[copyist])
    kept = load_file(run.weights_path)
    for name, weight in copyist.weights.items():
        torch.testing.assert_close(weight, kept[name], rtol=0, atol=0)


def test_what_a_watcher_draws_is_not_missed_by_the_global_stream(tiny_experiment, tmp_path):
    short = replace(tiny_experiment, schedule=replace(tiny_experiment.schedule, num_epochs=1))
    after = []
    for name, watchers in (("alone", []), ("watched", [Notebook()])):
        train(short, tmp_path / name, watchers=watchers)
        after.append(torch.rand(3))
    torch.testing.assert_close(*after, rtol=0, atol=0)


def test_watchers_see_the_end_of_a_training_that_fails_and_the_step_where_it_goes_on(
    tiny_experiment, uninterrupted, tmp_path
):
    notebook = Notebook()
    with pytest.raises(ValueError, match="enough"):
        train(tiny_experiment, tmp_path / "run", watchers=[notebook, Refusal()])
    assert notebook.seen[-1] == ("ends",)
    again = Notebook()
    resumed = train(tiny_experiment, tmp_path / "run", watchers=[again])
    assert again.seen[0] == ("begins", 4)
    ours, theirs = (
        load_file(one.weights_path) for one in (resumed, uninterrupted(tiny_experiment))
    )
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0, msg=name)


def test_speeds_have_a_file_of_their_own_with_a_line_for_each_of_the_log(tiny_experiment, tmp_path):
    run = train(tiny_experiment, tmp_path / "run")
    lines = [json.loads(line) for line in (run.path / SPEED_LOG).read_text().splitlines()]
    assert [one["step"] for one in lines] == [one["step"] for one in run.read_log()]
    assert lines[0].keys() == {"step", "images_per_s", "waiting", "resident_gb"}
    assert all(one["images_per_s"] > 0 and 0 <= one["waiting"] <= 1 for one in lines)


def test_a_stopwatch_counts_images_and_the_share_of_time_that_steps_wait(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slow_batches():
        for batch in range(3):
            now[0] += 1.0
            yield batch

    stopwatch = Stopwatch(images_per_step=8, device=torch.device("cpu"))
    for _ in stopwatch.timed(slow_batches()):
        now[0] += 3.0
    speed = stopwatch.speed()
    assert speed.images_per_s == 3 * 8 / 12
    assert speed.waiting == 0.25
    stopwatch.restart()
    now[0] += 1.0
    assert stopwatch.speed().images_per_s == 0


def test_memory_is_that_of_this_process():
    before = peak_memory_gb(torch.device("cpu"))["resident"]
    held = torch.ones(int(0.2e9))  # 0.8 GB, all of it touched
    after = peak_memory_gb(torch.device("cpu"))["resident"]
    del held
    assert 0.05 < before < 20
    assert after - before == pytest.approx(0.8, abs=0.25) or after >= 0.8
