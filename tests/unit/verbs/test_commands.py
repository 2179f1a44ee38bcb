"""The verbs of a finished run as a user types them: what stands on the screen, what is refused."""

import shutil

import pytest

from mindeye.cli import main
from mindeye.report.banner import SIMULATED


@pytest.fixture
def arguments_of(finished_run, tmp_path):
    """Verb -> a command line that works."""
    run, folder = str(finished_run), str(finished_run / "reconstructions")
    return {
        "reconstruct": [
            *("reconstruct", run, "--out", str(tmp_path / "drawn"), "--candidates", "1"),
            *("--steps", "1", "--prior-steps", "1", "--images", "2"),
        ],
        "retrieve": ["retrieve", run],
        "evaluate": ["evaluate", folder],
        "report": ["report", run],
    }


def refusal(arguments: list[str], capsys) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", ["reconstruct", "retrieve", "evaluate", "report"])
def test_the_last_line_says_that_the_subject_is_simulated(verb, arguments_of, capsys):
    main(arguments_of[verb])
    assert capsys.readouterr().out.splitlines()[-1] == SIMULATED


@pytest.mark.parametrize("verb", ["reconstruct", "retrieve", "evaluate"])
@pytest.mark.parametrize("device", ["foo", "cuda:99", "meta"])
def test_a_device_that_is_not_here_is_refused_before_anything_is_written(
    verb, device, arguments_of, finished_run, tmp_path, contents, capsys
):
    before = contents(tmp_path)
    message = refusal([*arguments_of[verb], "--device", device], capsys)
    assert message.startswith(f"mindeye: There is no device `{device}` on this machine.")
    assert contents(tmp_path) == before


def test_a_report_takes_no_device(arguments_of, capsys):
    assert "unrecognized arguments: --device" in refusal(
        [*arguments_of["report"], "--device", "cpu"], capsys
    )


def test_a_dry_run_prints_counts_and_bytes_and_writes_nothing(
    arguments_of, tmp_path, contents, capsys
):
    before = contents(tmp_path)
    main([*arguments_of["reconstruct"], "--dry-run"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "scenes draws: 1 steps, guidance 2, strength 0.7",
        "2 test images of subject 1",
        "1 candidates for each: 2 pictures to draw",
        "about 3.1 MB of disk, pictures 32 pixels wide. Nothing was written.",
        SIMULATED,
    ]
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("verb", "more", "message"),
    [
        ("reconstruct", ["--images", "1"], "Choose from 2 to 8"),
        ("reconstruct", ["--images", "9"], "Choose from 2 to 8"),
        ("reconstruct", ["--candidates", "0"], "Choose 1 or more"),
        ("reconstruct", ["--strength", "2"], "must lie in (0, 1]"),
        ("reconstruct", ["--seed", "-1"], "choose 0 or more"),
        ("reconstruct", ["--subject", "7"], "was not trained on subject 7"),
        ("reconstruct", ["--data", "absent"], "is missing"),
        ("reconstruct", ["--quirks", "shifted_rang=on"], "Did you mean `shifted_range`"),
        ("reconstruct", ["--sampler", "euler"], "Unknown sampler `euler`"),
        ("retrieve", ["--quirks", "drawn_pools"], "Write drawn_pools=on or drawn_pools=off"),
        ("evaluate", ["--quirks", "nonsense=on"], "Unknown quirk `nonsense`"),
        ("retrieve", ["--pools", "4", "9"], "Choose sizes from 2 to 8"),
        ("retrieve", ["--pools", "1"], "Choose sizes from 2 to 8"),
        ("retrieve", ["--subject", "7"], "was not trained on subject 7"),
        ("evaluate", ["--run", "absent"], "is not a run folder"),
        ("evaluate", ["--data", "absent"], "is missing"),
        ("report", ["--reconstructions", "absent"], "absent does not exist"),
        ("report", ["--subject", "7"], "was not trained on subject 7"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_written(
    verb, more, message, arguments_of, tmp_path, contents, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    error = refusal([*arguments_of[verb], *more], capsys)
    assert message in error
    assert "Traceback" not in error
    assert contents(tmp_path) == before


def test_a_report_of_a_run_that_only_trained_is_written(finished_run, capsys):
    shutil.rmtree(finished_run / "reconstructions")
    (finished_run / "retrieval.json").unlink()
    main(["report", str(finished_run)])
    assert "There are no reconstructions yet" in (finished_run / "report.html").read_text()
