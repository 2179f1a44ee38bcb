"""A training that is told to end finishes its step, keeps it and says so."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from mindeye.cli import main
from mindeye.config import dump_yaml
from mindeye.saved_state import load_state
from mindeye.training import loop
from mindeye.training.loop import train
from mindeye.training.stopping import StoppedError, finishing_the_step


def killing(number: signal.Signals, at: int, times: int = 1):
    def progress(done, total, values):
        if done == at:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return progress


@pytest.fixture
def rarely_saved(tiny_experiment):
    """No checkpoint falls due: what is kept, the signal has kept."""
    return replace(tiny_experiment, schedule=replace(tiny_experiment.schedule, save_every_s=1e6))


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """As in a terminal; what a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_after_the_step_with_a_checkpoint_of_it(
    rarely_saved, tmp_path, uninterrupted, number, code
):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    words = rf"Interrupted by {number.name} after 5 of 12 steps, which are kept\. Run the same"
    with pytest.raises(KeyboardInterrupt, match=words) as caught:
        train(rarely_saved, tmp_path / "run", progress=killing(number, at=5))
    assert caught.value.exit_code == code
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert load_state(tmp_path / "run" / "checkpoint.safetensors")["step"] == 5
    steps = []
    resumed = train(rarely_saved, tmp_path / "run", progress=lambda *now: steps.append(now[0]))
    assert steps == list(range(6, 13))
    ours, theirs = (load_file(run.weights_path) for run in (resumed, uninterrupted(rarely_saved)))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_a_second_signal_ends_at_once(rarely_saved, tmp_path):
    with pytest.raises(StoppedError, match="Ended at once by a second SIGTERM"):
        train(rarely_saved, tmp_path / "run", progress=killing(signal.SIGTERM, at=5, times=2))
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_a_signal_before_the_first_step_ends_at_once_and_the_rerun_trains(
    rarely_saved, tmp_path, monkeypatch
):
    plain = loop.begun_decoder

    def struck(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return plain(*arguments)

    monkeypatch.setattr(loop, "begun_decoder", struck)
    with pytest.raises(StoppedError, match=r"Interrupted by SIGTERM\. Run the same command again"):
        train(rarely_saved, tmp_path / "run")
    monkeypatch.undo()
    assert train(rarely_saved, tmp_path / "run").is_finished


def test_the_command_says_so_without_a_traceback_and_ends_with_143(
    rarely_saved, tmp_path, capsys, monkeypatch
):
    def struck(state, progress, audience, plain=loop.run_steps):
        return plain(state, killing(signal.SIGTERM, at=2), audience)

    monkeypatch.setattr(loop, "run_steps", struck)
    dump_yaml(rarely_saved, tmp_path / "tiny.yaml")
    with pytest.raises(SystemExit) as caught:
        main(["train", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "run")])
    assert caught.value.code == 143
    error = capsys.readouterr().err
    assert "Interrupted by SIGTERM after 2 of 12 steps, which are kept." in error
    assert "Traceback" not in error


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with finishing_the_step() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.number is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_training_in_a_thread_goes_without_signals():
    seen = []

    def body():
        with finishing_the_step() as stop:
            seen.append(stop.number)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [None]
