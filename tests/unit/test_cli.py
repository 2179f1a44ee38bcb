"""Every verb as it is typed: its help, and how it ends."""

import argparse
import shlex

import pytest

from mindeye import __version__
from mindeye.cli import main, make_parser
from mindeye.config import dump_yaml

# Verb, or an action of one -> the library function behind it, and arguments that parse.
FUNCTION_OF = {
    "demo": "mindeye.verbs.demonstration.demo.run_demo",
    "simulate": "mindeye.verbs.simulate.simulate_subject",
    "prepare": "mindeye.data.prepare.prepare_nsd",
    "train": "mindeye.training.loop.train",
    "compact": "mindeye.verbs.training.compact.compact_run",
    # The first that `reconstruct` calls, and the only one that a run which is absent allows.
    "reconstruct": "mindeye.verbs.drawing.chosen_settings.settings_for",
    "retrieve": "mindeye.verbs.retrieval.retrieve.retrieve_run",
    "evaluate": "mindeye.verbs.evaluation.evaluate.evaluate_folder",
    "compare": "mindeye.verbs.evaluation.compare.compare_evaluations",
    "report": "mindeye.verbs.report.report_run",
    "analyse": "mindeye.verbs.analysis.analyse.analyse_run",
    "convert": "mindeye.verbs.convert.convert_checkpoint",
    "scans": "mindeye.verbs.decoding.scans_check.check_saved_scan",
    # As for `reconstruct`; it is imported when it is called.
    "decode": "mindeye.verbs.drawing.chosen_settings.settings_at_hand",
    "doctor": "mindeye.data.doctor.examine.examine_nsd",
    "caption": "mindeye.verbs.drawing.chosen_settings.settings_for",
    "refine": "mindeye.verbs.refine.refine_folder",
    "bench": "mindeye.verbs.retrieval.retrieval_benchmark.benchmark",
    "gallery": "mindeye.verbs.gallery.build_request.request_of",
    "gallery mixtures": "mindeye.verbs.gallery.mixtures.write_mixtures",
}


def verbs() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return action.choices


VERBS = verbs()


@pytest.fixture
def config_path(tmp_path, tiny_experiment):
    path = tmp_path / "tiny.yaml"
    dump_yaml(tiny_experiment, path)
    return path


@pytest.fixture
def arguments_of(tmp_path, config_path):
    """Verb -> a valid command line."""
    out, run = str(tmp_path / "out"), str(tmp_path / "run")
    return {
        "demo": ["demo", "--out", out, "--preset", "tiny"],
        "simulate": ["simulate", "--out", out, "--preset", "tiny"],
        "prepare": ["prepare", "nsd", str(tmp_path / "absent"), "--out", out],
        "train": ["train", str(config_path), "--out", run],
        "compact": ["compact", run, "--rank", "4", "--out", out],
        "reconstruct": ["reconstruct", run, "--out", out],
        "retrieve": ["retrieve", run],
        "evaluate": ["evaluate", out],
        "compare": ["compare", run, out, "--out", out],
        "report": ["report", run],
        "analyse": ["analyse", run],
        "convert": ["convert", "mindeye2", run, "--subjects", "1", "--out", out],
        "scans": ["scans", "check", str(tmp_path / "absent.npy"), "--run", run],
        "decode": ["decode", "scan.npy", "--run", run, "--out", out],
        "doctor": ["doctor", "nsd", str(tmp_path / "absent")],
        "caption": ["caption", run, "--out", out],
        "refine": ["refine", run, "--captions", "c.tsv", "--generator-source", run, "--out", out],
        "bench": ["bench", "retrieval", run],
        "gallery": ["gallery", "build", str(tmp_path / "absent"), "--out", out],
        "gallery mixtures": ["gallery", "mixtures", run, "--out", out, "--vectors", "9"],
    }


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def refusal(arguments: list[str], capsys) -> str:
    """The one message of a command that is refused."""
    assert exit_code(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error.count("mindeye: ") == 1
    return error.split("mindeye: ")[1]


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example_that_parses(verb, capsys):
    assert exit_code([verb, "--help"]) == 0
    text = capsys.readouterr().out
    example = text.split("example:\n")[1].strip()
    program, *arguments = shlex.split(example)
    assert (program, arguments[0]) == ("mindeye", verb)
    options, rest = make_parser().parse_known_args(arguments)
    assert not rest or options.takes_overrides


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_every_verb_has_a_help_text(verb):
    for action in VERBS[verb]._actions:
        assert action.help, action.dest


def test_help_lists_every_verb_and_version_tells_it(capsys):
    assert exit_code(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)
    assert exit_code(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("verb", {**VERBS, **FUNCTION_OF})
def test_ctrl_c_ends_every_verb_with_130_and_says_how_to_go_on(
    verb, arguments_of, monkeypatch, capsys
):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(FUNCTION_OF[verb], interrupted)
    assert exit_code(arguments_of[verb]) == 130
    error = capsys.readouterr().err
    assert "Run the same command again" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("verb", {**VERBS, **FUNCTION_OF})
def test_a_full_disk_ends_every_verb_with_2_and_one_message(
    verb, arguments_of, monkeypatch, capsys
):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(FUNCTION_OF[verb], full)
    assert "No space left on device" in refusal(arguments_of[verb], capsys)


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("prepare", "absent"),
        ("reconstruct", "is not a run folder"),
        ("retrieve", "is not a run folder"),
        ("evaluate", "out"),
        ("report", "is not a run folder"),
        ("decode", "is not a run folder"),
    ],
)
def test_a_folder_that_is_not_there_is_refused_by_its_name(verb, message, arguments_of, capsys):
    assert message in refusal(arguments_of[verb], capsys)


@pytest.mark.parametrize("seed", ["-1", "x", "1.5"])
@pytest.mark.parametrize("verb", ["demo", "simulate", "reconstruct", "report"])
def test_a_seed_that_no_generator_takes_is_refused(seed, verb, arguments_of, tmp_path, capsys):
    assert exit_code([*arguments_of[verb], "--seed", seed]) == 2
    assert "--seed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["simulate", "demo"])
def test_an_unknown_preset_is_refused_with_those_that_exist(verb, tmp_path, capsys):
    arguments = [verb, "--out", str(tmp_path / "out"), "--preset", "enormous"]
    message = refusal(arguments, capsys)
    assert "`enormous`" in message
    assert "nsd-like, hard, tiny, no-signal" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["paint"], ["simulate"], ["retrieve", "run", "--pool", "x"]]
)
def test_a_wrong_command_line_exits_with_2(arguments, capsys):
    assert exit_code(arguments) == 2
    assert "usage: mindeye" in capsys.readouterr().err


def test_a_key_error_is_shown_without_quotes(arguments_of, monkeypatch, capsys):
    def unknown(*arguments, **options):
        raise KeyError("No such thing. Take another.")

    monkeypatch.setattr(FUNCTION_OF["retrieve"], unknown)
    assert refusal(arguments_of["retrieve"], capsys).strip() == "No such thing. Take another."


def test_debug_shows_the_traceback(arguments_of):
    with pytest.raises(FileNotFoundError):
        main([*arguments_of["retrieve"], "--debug"])


def test_what_only_we_can_break_is_not_dressed_up_as_a_users_error(arguments_of, monkeypatch):
    def broken(*arguments, **options):
        raise AssertionError("ours")

    monkeypatch.setattr(FUNCTION_OF["retrieve"], broken)
    with pytest.raises(AssertionError, match="ours"):
        main(arguments_of["retrieve"])


@pytest.mark.parametrize("verb", ["reconstruct", "retrieve", "evaluate"])
def test_compat_and_quirks_reach_the_library(verb, arguments_of, monkeypatch):
    seen = []

    def stop(*arguments, **given):
        seen.append({name: given[name] for name in ("compat", "quirk_settings")})
        raise KeyboardInterrupt

    monkeypatch.setattr("mindeye.verbs.reconstruct.reconstruct_run", stop)
    monkeypatch.setattr(FUNCTION_OF[verb], stop if verb != "reconstruct" else lambda *given: None)
    told = "mindeye.verbs.drawing.chosen_settings.told_of_generator"
    monkeypatch.setattr(told, lambda *given, **more: ())
    given = ["--compat", "mindeye2", "--quirks", "shifted_range=off", "drawn_pools=on"]
    assert exit_code(arguments_of[verb]) == exit_code([*arguments_of[verb], *given]) == 130
    assert [(one["compat"], list(one["quirk_settings"])) for one in seen] == [
        (None, []),
        ("mindeye2", ["shifted_range=off", "drawn_pools=on"]),
    ]


@pytest.mark.parametrize("verb", ["reconstruct", "retrieve", "evaluate"])
def test_an_unknown_system_is_refused_with_those_that_exist(verb, arguments_of, capsys):
    assert exit_code([*arguments_of[verb], "--compat", "mindeye3"]) == 2
    assert "choose from none, mindeye1, mindeye2" in capsys.readouterr().err.replace("'", "")
