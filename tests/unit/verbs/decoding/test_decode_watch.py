"""`mindeye decode --watch`: trials arrive while it decodes."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.reconstruction import running_statistics
from mindeye.reconstruction.decoder_run import open_decoder
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.reconstruction.streaming import StreamingDecoder
from mindeye.verbs.decoding import decode_options
from mindeye.verbs.decoding.decode import decode_scan
from mindeye.verbs.decoding.decode_watch import watch_folder
from mindeye.verbs.decoding.scan_source import ScanSource

CONFIG = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)
NUM_TRIALS = 6


@pytest.fixture
def session(tiny_prepared) -> np.ndarray:
    return PreparedSubject(tiny_prepared).table("test").betas[:NUM_TRIALS].astype(np.float32) + 1


@pytest.fixture
def arriving(tmp_path, session):
    """A folder with some trials of the session; call it for more."""
    folder = tmp_path / "arriving"
    folder.mkdir()

    def arrive(first: int, last: int, *, stop: bool = False):
        for row in range(first, last):
            np.save(folder / f"trial{row:03d}.npy", session[row])
        if stop:
            (folder / "STOP").touch()
        return folder

    return arrive


def watched(run, folder, out, statistics="running", **more):
    source = ScanSource(paths=(), units="psc", statistics=statistics)
    return watch_folder(run, folder, out, CONFIG, source=source, warm_up=3, poll_s=0.01, **more)


def pictures(out) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "pictures").iterdir())}


def test_watching_gives_the_pictures_of_an_offline_replay(
    finished_run, session, arriving, tmp_path
):
    summary = watched(finished_run, arriving(0, NUM_TRIALS, stop=True), tmp_path / "out")
    assert summary.num_pictures == NUM_TRIALS
    stream = StreamingDecoder(open_decoder(finished_run), CONFIG, warm_up=3)
    for row, trial in enumerate(session):
        replayed = stream.add(trial, str(row)).arrays["pictures"][0]
        drawn = np.asarray(Image.open(tmp_path / "out" / "pictures" / f"{row:05d}.png"))
        assert np.array_equal(drawn, replayed)
    lines = (tmp_path / "out" / "trials.tsv").read_text().splitlines()[2:]
    assert [line.split("\t")[6] for line in lines] == ["train"] * 3 + ["running"] * 3
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(stage in page for stage in ("read", "z-score", "prior", "all stages"))


@pytest.mark.parametrize("statistics", ["train", "running"])
def test_the_saved_session_decoded_at_once_gives_the_same_pictures(
    statistics, finished_run, session, arriving, tmp_path, monkeypatch
):
    shorter = partial(running_statistics.zscored_trial, warm_up=3)
    monkeypatch.setattr(
        "mindeye.reconstruction.running_statistics.zscored_trial",
        lambda *given, **named: shorter(*given, **named),
    )
    folder = arriving(0, NUM_TRIALS, stop=True)
    watched(finished_run, folder, tmp_path / "out", statistics)
    np.save(tmp_path / "session.npy", session)
    source = ScanSource(paths=(tmp_path / "session.npy",), units="psc", statistics=statistics)
    decode_scan(finished_run, source, tmp_path / "plain", CONFIG)
    assert pictures(tmp_path / "plain") == pictures(tmp_path / "out")


def test_a_watch_that_was_ended_goes_on_to_the_same_pictures(finished_run, arriving, tmp_path):
    def interrupt(trial):
        if trial.trial == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(finished_run, arriving(0, 5), tmp_path / "out", on_trial=interrupt)
    assert len(pictures(tmp_path / "out")) == 4
    assert (tmp_path / "out" / "report.html").exists()
    folder = arriving(5, NUM_TRIALS, stop=True)
    watched(finished_run, folder, tmp_path / "out")
    watched(finished_run, folder, tmp_path / "whole")
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")


def test_a_file_that_cannot_be_decoded_is_named_and_what_came_before_is_kept(
    finished_run, arriving, tmp_path
):
    folder = arriving(0, 2, stop=True)
    np.save(folder / "trial002.npy", np.ones(19, dtype=np.float32))
    with pytest.raises(ValueError, match=r"trial002\.npy cannot be decoded: .*it goes on from"):
        watched(finished_run, folder, tmp_path / "out")
    assert len(pictures(tmp_path / "out")) == 2
    (folder / "trial002.npy").unlink()
    assert watched(finished_run, folder, tmp_path / "out").num_pictures == 2


def test_a_folder_without_trials_ends_with_a_sentence(finished_run, arriving, tmp_path, capsys):
    folder = arriving(0, 0, stop=True)
    line = ["decode", "--watch", str(folder), "--run", str(finished_run), "--units", "psc"]
    main([*line, "--out", str(tmp_path / "out")])
    assert "No trial was decoded." in capsys.readouterr().out


def test_ctrl_c_ends_with_130(finished_run, arriving, tmp_path, monkeypatch, capsys):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("mindeye.verbs.decoding.decode_watch.time.sleep", interrupted)
    line = ["decode", "--watch", str(arriving(0, 2)), "--run", str(finished_run)]
    with pytest.raises(SystemExit) as caught:
        main([*line, "--out", str(tmp_path / "out"), "--units", "psc"])
    assert caught.value.code == 130


def test_the_help_tells_the_warm_up_that_is_used():
    assert decode_options.WARM_UP == running_statistics.WARM_UP
