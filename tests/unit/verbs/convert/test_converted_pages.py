"""The report and the analysis of a converted checkpoint, with the networks that a user gives."""

import shutil

import pytest

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.reconstruction.given_networks import GivenNetworks
from mindeye.verbs.report import report_run
from mindeye.verbs.report_parts import ReportParts


@pytest.fixture
def given(tiny_prepared, networks_given) -> list[str]:
    return ["--data", str(tiny_prepared), *networks_given]


def test_a_report_shows_what_was_drawn_and_retrieved_and_names_file_and_networks(
    converted, drawing, given, networks, tiny_prepared, tmp_path
):
    run = converted("mindeye1")
    parts = ReportParts(
        run=run,
        data=tiny_prepared,
        given=GivenNetworks(clip=networks.clip, vae=networks.vae),
        reconstructions=tmp_path / "out",
    )
    main(drawing("mindeye1", run))
    without = report_run(parts, tmp_path / "page.html")
    command = f"mindeye retrieve {run} --data {tiny_prepared} --clip {networks.clip}"
    assert f"There is no retrieval yet: run `{command}`." in without.lead
    main(command.split()[1:])
    main(["report", str(run), *given, "--reconstructions", str(tmp_path / "out")])
    text = (run / "report.html").read_text()
    content = report_run(parts, tmp_path / "page.html")
    assert text == (tmp_path / "page.html").read_text()
    training = content.provenance["training"]
    assert training["converted from"] == "mindeye1.pth (mindeye1)"
    assert training["CLIP, as given"].startswith("tiny-clip-")
    assert training["VAE, as given"].startswith("tiny-vae-")
    assert "mindeye1.pth (mindeye1)" in text
    (grid,) = content.pictures
    assert grid.retrieved_ids.shape == (2, 5)
    assert content.rows[0].metric == 'image retrieval top-1 of 2 (published as "Brain")'


def test_results_of_two_clips_are_not_shown_on_one_page(
    converted, given, networks, tmp_path, refused
):
    run = converted("mindeye1")
    main(["retrieve", str(run), *given[:4]])
    given[3] = str(shutil.copytree(networks.clip, tmp_path / "other-clip"))
    told = refused(["report", str(run), *given])
    assert "retrieval.json was made with the CLIP tiny-clip-" in told
    assert "but other-clip-" in told
    assert not (run / "report.html").exists()


def test_an_analysis_is_made_with_the_given_networks_which_may_move(
    converted, given, networks, tmp_path, contents
):
    run = converted("mindeye2")
    line = ["analyse", str(run), *given, "--parts", "repeats", "--pool", "7"]
    main(line)
    summary = read_json(run / "analysis" / "analysis.json")
    assert {one["figure"] for one in summary["points"]} == {
        *("repeats averaged", "first, second ... showing alone")
    }
    places = {"clip": str(networks.clip), "vae": str(networks.vae)}
    assert summary["about"]["given"] == places
    before = (run / "analysis" / "analysis.tsv").read_bytes()
    moved = shutil.copytree(networks.clip, tmp_path / "moved" / networks.clip.name)
    line[line.index("--clip") + 1] = str(moved)
    main(line)
    assert (run / "analysis" / "analysis.tsv").read_bytes() == before


@pytest.mark.parametrize("verb", ["report", "analyse"])
def test_what_is_missing_is_named_and_nothing_is_written(verb, converted, given, refused):
    run = converted("mindeye1")
    before = sorted(run.rglob("*"))
    for start, told in (
        ([], "has no scans and no CLIP of its own"),
        (given[:2], "has no scans and no CLIP of its own"),
        (given[2:], "has no prepared scans of its own. Give those"),
        (given[:4], "also gives latents of 4 x 8 x 8"),
        ([*given[:2], *given[4:]], "Give it with --clip FOLDER"),
    ):
        assert told in refused([verb, str(run), *start])
    assert sorted(run.rglob("*")) == before
