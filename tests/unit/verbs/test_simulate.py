"""`mindeye simulate --layout`: which writer gets what."""

import pytest

from mindeye.cli import main
from mindeye.simulate.presets import preset_of
from mindeye.verbs import simulate
from mindeye.verbs.simulate import WRITERS


@pytest.fixture
def handed(monkeypatch, tmp_path):
    """(layout, arguments) -> what its writer gets."""

    def run(layout: str, *arguments: str) -> dict:
        calls = []

        def writer(out, config, **given):
            calls.append({"out": out, "config": config, **given})

        monkeypatch.setitem(simulate.WRITERS, layout, writer)
        main(["simulate", "--layout", layout, "--out", str(tmp_path / "out"), *arguments])
        (given,) = calls
        assert given.pop("out") == tmp_path / "out"
        assert callable(given.pop("progress"))
        return given

    return run


@pytest.mark.parametrize("layout", WRITERS)
def test_preset_subject_and_seed_are_handed_on(handed, layout, capsys):
    found = handed(layout, "--preset", "tiny", "--subject", "3", "--seed", "5")
    assert found == {"config": preset_of("tiny"), "subject": 3, "seed": 5}
    assert "SIMULATED" in capsys.readouterr().out


def test_sessions_that_cannot_be_chosen_are_refused(handed, capsys):
    for layout in ("mosaic", "things-fmri"):
        with pytest.raises(SystemExit) as ended:
            handed(layout, "--sessions", "3")
        assert ended.value.code == 2
        assert f"{layout} leaves no choice of sessions" in capsys.readouterr().err
    assert handed("nsd", "--sessions", "3")["config"].sessions == 3
