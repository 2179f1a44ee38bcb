import pytest

from mindeye.cli import main

SHOWN = ["--images", "shown.npz"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ids", "ids.npy"], "--ids is for pictures of any origin"),
        (["--range=-1..1"], "--range is for pictures of any origin"),
        (["--images-range", "0..255"], "--images-range is for pictures of any origin"),
        (["--out", "scores"], "--out is for pictures of any origin"),
        (SHOWN, "--images needs --out"),
        ([*SHOWN, "--out", "scores", "--run", "run"], "--run is of no use with --images"),
        ([*SHOWN, "--out", "scores", "--batch", "2"], "With --images nothing is drawn: leave"),
        ([*SHOWN, "--out", "scores", "--max-memory", "8G"], "--batch and --max-memory out"),
        (["--batch", "0"], "0 is no whole number from 1"),
        ([*SHOWN, "--out", "scores"], "recons.pt is missing"),
        ([*SHOWN, "--out", "scores", "--compat", "none", "--quirks", "late_start_ddim=on"],
         "changes nothing in this verb"),
    ],
)  # fmt: skip
def test_what_would_be_ignored_is_refused_and_nothing_is_written(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "recons.pt", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
