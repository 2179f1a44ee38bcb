"""`mindeye doctor` as a user types it."""

import json
from dataclasses import replace

import pytest

from mindeye.cli import main
from mindeye.report.banner import SIMULATED
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import preset_of


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A tiny simulated tree: read only."""
    root = tmp_path_factory.mktemp("doctor") / "nsd"
    config = replace(preset_of("tiny"), sessions=1)
    simulate_nsd_tree(root, config, seed=0)
    return root


@pytest.fixture
def linked(simulated, tmp_path):
    """The same tree through links, of which a test may unlink some."""
    root = tmp_path / "nsd"
    for path in simulated.rglob("*"):
        if path.is_file():
            copy = root / path.relative_to(simulated)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    return root


def examined(arguments, capsys) -> tuple[str, int]:
    code = 0
    try:
        main(["doctor", "nsd", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return capsys.readouterr().out, code


def test_a_simulated_tree_is_right_and_says_that_it_is_simulated(simulated, capsys):
    out, code = examined([simulated], capsys)
    lines = out.splitlines()
    assert code == 0
    assert lines[-1] == SIMULATED
    assert lines[0].split() == ["subject", "state", "check", "seen", "expected"]
    column = lines[0].index("check")
    assert all(line[column - 2 : column] == "  " for line in lines[1:-2])
    assert "wrong" not in {line.split()[1] for line in lines[1:-2]}
    assert lines[-2].endswith(" 0 wrong")


def test_a_made_up_tree_is_not_mixed_with_nsd_s_own_files(simulated, capsys):
    assert "aws s3 cp" not in examined([simulated], capsys)[0]


def test_json_says_the_same(simulated, capsys):
    out, code = examined([simulated, "--json"], capsys)
    content = json.loads(out)
    assert (code, content["good"], content["simulated"]) == (0, True, True)
    assert {check["state"] for check in content["checks"]} == {"ok", "missing"}
    assert content["checks"][-1]["subject"] == 1


def test_what_is_missing_comes_with_the_command_that_fetches_it(linked, capsys):
    (linked / "SIMULATED.json").unlink()
    out, code = examined([linked, "--subject", "1"], capsys)
    source = (
        "s3://natural-scenes-dataset/nsddata_betas/ppdata/subj01/func1pt8mm/"
        "betas_fithrf_GLMdenoise_RR/betas_session02.hdf5"
    )
    assert code == 2
    assert f"aws s3 cp --no-sign-request {source} {linked}/nsddata_betas" in out
    assert "# later sessions of b3: 36 more files; --json lists them all" in out
    assert SIMULATED not in out
    content = json.loads(examined([linked, "--subject", "1", "--json"], capsys)[0])
    (later,) = [one for one in content["checks"] if one["name"] == "later sessions of b3"]
    assert len(later["fetch"]) == len(later["paths"]) == 39
    assert not content["good"]


def test_one_wrong_line_gives_exit_code_2(linked, capsys):
    (path,) = linked.rglob("betas_session01.nii.gz")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:3000])
    out, code = examined([linked], capsys)
    (line,) = [line for line in out.splitlines() if line.split()[1:2] == ["wrong"]]
    assert code == 2
    assert "betas_session01.nii.gz cannot be read" in line
    assert str(linked) not in line
    others = [row for row in out.splitlines() if row.split()[1:2] == ["ok"]]
    assert max(map(len, others)) < len(line)


def test_what_everything_needs_gives_exit_code_2(linked, capsys):
    (path,) = linked.rglob("nsd_stimuli.hdf5")
    path.unlink()
    out, code = examined([linked], capsys)
    assert code == 2
    assert "missing, needed" in out
    assert "(1 of the missing ones are needed)" in out


def test_a_folder_that_is_no_tree_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "nsd", str(tmp_path)])
    assert caught.value.code == 2
    assert "holds no NSD tree" in capsys.readouterr().err
