"""`mindeye bench retrieval` of trained runs, and from the command line."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.report.banner import SIMULATED
from mindeye.training.loop import train
from mindeye.verbs.report import report_run
from mindeye.verbs.report_parts import ReportParts
from mindeye.verbs.retrieval.named_paths import named_path
from mindeye.verbs.retrieval.retrieval_sources import SourceSettings, retrieval_sources
from mindeye.verbs.retrieval.retrieve import retrieve_run


@pytest.fixture
def copied_for(tiny_prepared, tmp_path, belonging_to):
    """(subject, name) -> the same scans as if they were another subject's."""

    def copied(subject: int, name: str) -> Path:
        folder = Path(shutil.copytree(tiny_prepared, tmp_path / name))
        belonging_to(folder, subject)
        return folder

    return copied


FAST = ["--bootstrap", "200", "--permute", "99"]


def bench(*arguments) -> None:
    main(["bench", "retrieval", *(str(one) for one in arguments), *FAST])


def refusal(arguments, capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        bench(*arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_a_run_is_measured_as_retrieve_measures_it(finished_run, capsys):
    plain = {row.metric: row.value for row in retrieve_run(finished_run, pool_sizes=(4, 8)).rows}
    bench(finished_run, "--pools", "4", "all", "--tops", "1", "5")
    content = read_json(finished_run / "bench" / "retrieval.json")
    found = {row["metric"]: row["value"] for row in content["rows"]}
    assert found.keys() >= plain.keys()
    assert {name: found[name] for name in plain} == pytest.approx(plain)
    screen = capsys.readouterr().out
    assert "null [95 %]" in screen
    assert "floor: nearest training image" in screen
    assert "likeness of a test image to a training image" in screen
    assert screen.rstrip().endswith(SIMULATED)
    assert content["subjects"][0]["about"]["protocol"] == "made up"


def test_the_training_images_of_a_run_are_those_it_was_trained_with(finished_run):
    (source,) = retrieval_sources([str(finished_run)], (), SourceSettings())
    assert (source.system, source.subject) == ("mindeye", 1)
    np.testing.assert_array_equal(source.pairs.training.image_ids, np.arange(100, 124))
    two = source.pairs.training.read(np.array([3, 0]))
    np.testing.assert_array_equal(two, next(source.pairs.training.blocks())[[3, 0]])


def test_all_subjects_of_a_run_are_measured_and_their_mean_comes_last(
    tiny_experiment, tiny_prepared, copied_for, tmp_path, capsys
):
    other = copied_for(2, "second")
    short = replace(tiny_experiment.schedule, num_epochs=1)
    experiment = replace(tiny_experiment, data=(tiny_prepared, other), schedule=short)
    train(experiment, tmp_path / "run")
    bench(tmp_path / "run", "--pools", "all", "--tops", "1")
    content = read_json(tmp_path / "run" / "bench" / "retrieval.json")
    systems = [row["system"] for row in content["rows"] if "top-1 of 8" in row["metric"]]
    expected = ["mindeye, subject 1", "mindeye, subject 2", "mindeye, mean of 2 subjects"]
    assert sorted(systems) == sorted(2 * expected)
    assert systems[-1] == expected[-1]
    assert "With 2 subjects no two-sided sign-flip test" in capsys.readouterr().out
    bench(tmp_path / "run", "--subject", "2", "--out", tmp_path / "second-only")
    chosen = read_json(tmp_path / "second-only" / "retrieval.json")["subjects"]
    assert [one["subject"] for one in chosen] == [2]


def test_two_runs_of_one_subject_need_names(finished_run, tmp_path, capsys):
    out = tmp_path / "out"
    error = refusal([finished_run, finished_run, "--out", out], capsys)
    assert "second with subject 1 under the name `mindeye`" in error
    assert not out.exists()
    bench(f"a={finished_run}", f"b={finished_run}", "--out", out)
    rows = read_json(out / "retrieval.json")["rows"]
    assert {row["system"] for row in rows} == {
        "a, subject 1", "b, subject 1", "a, subject 1 minus b",
    }  # fmt: skip


def test_the_report_of_a_run_shows_its_benchmark(finished_run, tmp_path):
    page = tmp_path / "page.html"
    without = report_run(ReportParts(run=finished_run), page)
    assert list(without.sections) == []
    assert "Pool size" not in page.read_text()
    bench(finished_run)
    content = report_run(ReportParts(run=finished_run), page)
    assert [one.title for one in content.sections] == ["Pool size", "Hubs", "Near duplicates"]
    assert any("most-won items" in note for note in content.notes)
    text = page.read_text()
    assert text.count("<h2>Pool size</h2>") == 1
    assert text.count("<h2>Near duplicates</h2>") == 1


def test_a_benchmark_of_other_weights_is_not_shown(finished_run, tmp_path, change_json):
    bench(finished_run)

    def edit(content):
        content["subjects"][0]["about"]["weights"] = "f" * 64

    change_json(finished_run / "bench" / "retrieval.json", edit)
    with pytest.raises(ValueError, match="was made with weights ffffffffffff"):
        report_run(ReportParts(run=finished_run), tmp_path / "page.html")
    change_json(
        finished_run / "bench" / "retrieval.json",
        lambda content: content["subjects"][0].update(subject=9),
    )
    content = report_run(ReportParts(run=finished_run), tmp_path / "page.html")
    assert list(content.sections) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "There is nothing to measure"),
        (["--embeddings", "absent.npz"], "belong to no single run. Give their folder with --out"),
        (["--embeddings", "absent.npz", "--out", "out"], "absent.npz is not a file"),
        (["absent", "--out", "out"], "absent is not a run folder"),
    ],
)
def test_what_is_not_there_is_refused(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text in refusal(arguments, capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--protocol", "nsd-37-avg"], "by the protocol made up, not by nsd-37-avg"),
        (["--subject", "3"], "was not trained on subject 3"),
        (["--pools", "300"], "Pools of 300 are asked for, but there are 8 test images"),
        (["--pools", "1"], "a pool of 1 holds no choice"),
        (["--pools", "many"], "invalid pool_size value"),
        (["--permute", "0"], "0 is no whole number from 1"),
        (["--quirks", "shifted_range=on"], "`shifted_range` changes nothing in this verb"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(arguments, text, finished_run, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", "retrieval", str(finished_run), *arguments])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err
    assert not (finished_run / "bench").exists()


def test_scans_of_a_subject_that_no_run_has_are_refused(finished_run, copied_for, capsys):
    other = copied_for(7, "other")
    told = refusal([finished_run, "--data", other], capsys)
    assert f"{other} is of subject 7, whom no run here has learned" in told
    assert not (finished_run / "bench").exists()


def test_names_stand_before_paths_unless_the_whole_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_path("ours=runs/a=b") == ("ours", Path("runs/a=b"))
    assert named_path("runs/one") == (None, Path("runs/one"))
    (tmp_path / "lr=1").mkdir()
    assert named_path("lr=1") == (None, Path("lr=1"))


def test_a_prepared_folder_that_has_moved_is_given(finished_run, tiny_prepared, change_json):
    def edit(content):
        content["paths"]["data"] = ["gone"]

    change_json(finished_run / "provenance.json", edit)
    settings = SourceSettings(data=(tiny_prepared,))
    (source,) = retrieval_sources([str(finished_run)], (), settings)
    assert len(source.pairs.image_ids) == 8
