"""`mindeye demo` as it is typed: of a simulated subject, and of a recording."""

import pytest

from mindeye.cli import main
from mindeye.report.banner import SIMULATED
from mindeye.types import MetricRow


@pytest.mark.parametrize("given", [["--preset", "tiny"], ["--images", "100"]])
def test_a_recording_refuses_what_it_would_ignore(given, tmp_path, capsys):
    arguments = ["demo", "--recording", "miyawaki2008-figures", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, *given])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (message,) = error.split("mindeye: ")[1:]
    assert message.startswith("--recording miyawaki2008-figures decodes every trial")
    assert f"takes no {given[0]}. Leave out" in message
    assert not (tmp_path / "out").exists()


def test_a_recording_alone_has_no_banner(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mindeye.verbs.demonstration.recording.run_recording", lambda *given: [])
    main(["demo", "--recording", "miyawaki2008-figures", "--out", str(tmp_path / "out")])
    assert SIMULATED not in capsys.readouterr().out


def test_the_demo_of_a_simulated_subject_ends_with_the_banner(tmp_path, monkeypatch, capsys):
    configs = []

    def demo(out, config, watch):
        configs.append(config)
        values = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "chance": None, "better": "higher"}
        return [MetricRow(system="mindeye", metric="image retrieval top-1 of 9", **values)]

    monkeypatch.setattr("mindeye.verbs.demonstration.demo.run_demo", demo)
    main(["demo", "--out", str(tmp_path / "out")])
    main(["demo", "--out", str(tmp_path / "out"), "--preset", "tiny", "--images", "30"])
    assert capsys.readouterr().out.splitlines()[-1] == SIMULATED
    assert [(one.preset, one.num_images) for one in configs] == [("nsd-like", 100), ("tiny", 30)]
