"""`mindeye compare`: what is written, where, and what the command says."""

import csv

import pytest

from mindeye.cli import main
from mindeye.files import read_json


def test_all_forms_say_the_same_numbers(compare, tmp_path):
    found = compare("good", "middling")
    out = tmp_path / "out"
    assert {path.suffix for path in out.iterdir()} == {".html", ".json", ".tsv", ".md", ".tex"}
    content = read_json(out / "comparison.json")
    assert content["images"] == found.image_ids.tolist()
    records = list(csv.DictReader((out / "comparison.tsv").open(), delimiter="\t"))
    for one in found.differences:
        (record,) = (
            line for line in records
            if (line["system"], line["metric"]) == ("good minus middling", one.metric)
        )  # fmt: skip
        assert float(record["value"]) == one.value
        assert float(record["p_adjusted"]) == one.adjusted_p
        text = f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
        for name in ("comparison.md", "comparison.tex", "comparison.html"):
            assert text in (out / name).read_text()
        assert {"metric": one.metric, "value": one.value}.items() <= next(
            line for line in content["differences"] if line["metric"] == one.metric
        ).items()
    assert "MindEye2" in (out / "comparison.html").read_text()
    assert content["published"][0]["source"]


def test_a_folder_with_other_things_in_it_is_left_alone(compare, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="is not empty and holds no comparison"):
        compare("good", "poor")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_the_same_seed_gives_the_same_bytes(compare, tmp_path, contents):
    compare("good", "middling", seed=5)
    first = contents(tmp_path / "out")
    compare("good", "middling", seed=5)
    assert contents(tmp_path / "out") == first


def test_the_command_says_the_tables_and_where_the_page_is(evaluations, tmp_path, capsys):
    out = tmp_path / "out"
    main(["compare", *map(str, evaluations.values()), "--out", str(out), "--reference", "good"])
    text = capsys.readouterr().out
    assert "middling minus good" in text
    assert "p adjusted" in text
    assert f"page: {out / 'comparison.html'}" in text
    with pytest.raises(SystemExit) as caught:
        main(["compare", str(tmp_path / "absent"), str(evaluations["good"])])
    assert caught.value.code == 2
    assert "absent is missing. Give a folder that `mindeye evaluate`" in capsys.readouterr().err
