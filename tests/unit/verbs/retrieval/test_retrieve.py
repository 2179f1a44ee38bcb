from dataclasses import replace

import pytest

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.quirks import SWITCHES
from mindeye.reconstruction.decode import decode
from mindeye.verbs.report_parts import ReportParts
from mindeye.verbs.retrieval import retrieve as verb
from mindeye.verbs.retrieval.retrieve import RETRIEVAL_QUIRKS, retrieve_run


def test_the_quirks_of_retrieval_exist():
    assert set(RETRIEVAL_QUIRKS) <= set(SWITCHES)


def test_exchanged_labels_are_added_and_change_no_number(finished_run):
    plain = retrieve_run(finished_run)
    assert plain.about["quirks"] == []
    labelled = retrieve_run(finished_run, quirk_settings=["exchanged_labels=on"])
    assert [replace(row, metric="") for row in labelled.rows] == [
        replace(row, metric="") for row in plain.rows
    ]
    names = [row.metric for row in labelled.rows]
    assert 'brain retrieval top-1 of 8 (published as "Image")' in names
    assert 'image retrieval top-1 of 8 (published as "Brain")' in names
    assert labelled.per_image.keys() == plain.per_image.keys()


@pytest.mark.parametrize("contiguous", [False, True])
def test_pools_are_drawn_by_the_seed_where_the_quirk_is_on(contiguous, finished_run):
    on = ["drawn_pools=on", f"contiguous_pools={'on' if contiguous else 'off'}"]
    first = retrieve_run(finished_run, pool_sizes=(5,), seed=1, quirk_settings=on)
    assert first.about["quirks"] == ["drawn_pools", *(["contiguous_pools"] if contiguous else [])]
    assert retrieve_run(finished_run, pool_sizes=(5,), seed=1, quirk_settings=on).rows == first.rows
    values = {
        tuple(row.value for row in retrieve_run(finished_run, pool_sizes=(5,), **options).rows)
        for options in ({"seed": 1, "quirk_settings": on}, {"seed": 2, "quirk_settings": on}, {})
    }
    assert len(values) == 3


@pytest.mark.parametrize("on", [True, False])
def test_outputs_are_averaged_where_the_quirk_is_on(on, finished_run, monkeypatch):
    seen = []

    def watched(*arguments, **options):
        seen.append(options)
        return decode(*arguments, **options)

    monkeypatch.setattr(verb, "decode", watched)
    retrieve_run(finished_run, quirk_settings=["averaged_outputs=on"] if on else [])
    assert seen == [{"averaged_outputs": on}]


@pytest.mark.parametrize(
    ("compat", "expected"),
    [
        ("none", []),
        ("mindeye1", ["exchanged_labels", "drawn_pools", "contiguous_pools"]),
        ("mindeye2", ["averaged_outputs", "exchanged_labels", "drawn_pools"]),
    ],
)
def test_a_system_sets_its_quirks_from_the_command_line_or_from_the_run(
    compat, expected, finished_run, change_json
):
    assert retrieve_run(finished_run, compat=compat).about["quirks"] == expected
    # As if it had been trained with these and with our targets.
    own = {"compat": compat, "washed_out_targets": False, "aliased_resizing": False}
    change_json(finished_run / "provenance.json", lambda content: content.update(quirks=own))
    retrieve_run(finished_run)
    assert read_json(finished_run / "retrieval.json")["quirks"] == expected


def test_a_report_tells_the_quirks_of_run_and_scores(finished_run, tmp_path):
    from mindeye.verbs.report import report_run

    def told():
        return report_run(ReportParts(run=finished_run), tmp_path / "page.html").provenance[
            "quirks"
        ]

    assert told() == {"training": "none", "retrieval": "none", "evaluation": "none"}
    retrieve_run(finished_run, compat="mindeye2")
    names = "averaged_outputs, exchanged_labels, drawn_pools"
    assert told() == {"training": "none", "retrieval": names, "evaluation": "none"}
    assert names in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["contiguous_pools=on"], "Only drawn pools can be contiguous"),
        (["shifted_range=on"], "`shifted_range` changes nothing in this verb"),
        (["washed_out_targets=on"], "`washed_out_targets` changes nothing in this verb"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused_and_nothing_is_written(
    settings, message, finished_run, contents
):
    before = contents(finished_run)
    with pytest.raises(ValueError, match=message):
        retrieve_run(finished_run, quirk_settings=settings)
    assert contents(finished_run) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--k", "0"], "--k belongs to retrieval from a gallery"),
        (["--alike", "0"], "--alike belongs to retrieval from a gallery"),
        (["--gallery", "g", "--out", "o", "--benchmark", "--k", "0"], "takes no --k: it shows no"),
    ],
)
def test_an_option_of_zero_is_an_option_too(given, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["retrieve", "run", *given])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["retrieve", "run", "--gallery", "g", "--benchmark"], "holds no benchmark of a gallery"),
        (["bench", "retrieval", "run"], "holds no benchmark of retrieval"),
        (["demo"], "holds no demo"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(given, message, tmp_path, capsys):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(SystemExit) as caught:
        main([*given, "--out", str(tmp_path)])
    assert caught.value.code == 2
    assert f"is not empty and {message}. Choose another folder" in capsys.readouterr().err
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]
