"""With what a training was computed stands in its provenance; a change is named."""

import json
import subprocess
from pathlib import Path

import pytest

from mindeye.run import versions
from mindeye.training import segments
from mindeye.training.loop import train
from mindeye.training.segments import code_version


class PowerCutError(Exception):
    """Raised where a kill would strike."""


def cut_at(step: int):
    def progress(done, total, values):
        if done == step:
            raise PowerCutError

    return progress


@pytest.fixture
def code(monkeypatch):
    """What the code says of itself."""
    about = {"commit": "a" * 40}
    monkeypatch.setattr(segments, "code_version", lambda: dict(about))
    return about


def test_a_training_in_one_go_has_one_segment(tiny_experiment, tmp_path, code, caplog):
    (segment,) = train(tiny_experiment, tmp_path / "run").provenance()["segments"]
    assert segment == {
        "first_step": 0,
        "code": code,
        "versions": versions(),
        "device": "cpu",
        "precision": "no",
        "accepted_changes": 0,
    }
    assert not caplog.records


def test_the_same_code_goes_on_without_a_word(tiny_experiment, tmp_path, code, caplog):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(5))
    run = train(tiny_experiment, tmp_path / "run")
    assert [one["first_step"] for one in run.provenance()["segments"]] == [0]
    assert not caplog.records


def test_what_an_earlier_version_did_not_write_down_counts_as_unchanged(
    tiny_experiment, tmp_path, code, caplog
):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(5))
    provenance = tmp_path / "run" / "provenance.json"
    told = json.loads(provenance.read_text())
    del told["segments"][0]["precision"]
    provenance.write_text(json.dumps(told))
    run = train(tiny_experiment, tmp_path / "run")
    assert [one["first_step"] for one in run.provenance()["segments"]] == [0]
    assert not caplog.records


def test_another_commit_is_named_and_not_refused(tiny_experiment, tmp_path, code, caplog):
    for cut in (5, 8):
        with pytest.raises(PowerCutError):
            train(tiny_experiment, tmp_path / "run", progress=cut_at(cut))
    code["commit"] = "b" * 40
    run = train(tiny_experiment, tmp_path / "run")
    firsts = {one["first_step"]: one["code"]["commit"][0] for one in run.provenance()["segments"]}
    assert firsts == {0: "a", 7: "b"}
    (record,) = caplog.records
    assert "From step 7 on this training is computed with something else" in record.getMessage()
    assert f"code.commit: '{'b' * 40}' here, '{'a' * 40}' there" in record.getMessage()


def test_steps_that_are_computed_again_belong_to_who_computed_them_last(
    tiny_experiment, tmp_path, code
):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(1))
    code["commit"] = "b" * 40
    (segment,) = train(tiny_experiment, tmp_path / "run").provenance()["segments"]
    assert (segment["first_step"], segment["code"]["commit"]) == (0, "b" * 40)


def git(folder: Path, *arguments: str) -> str:
    given = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", "-C", folder, *given, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_checkout_knows_its_commit_and_what_was_changed_since(tmp_path):
    package = tmp_path / "mindeye"
    package.mkdir()
    (package / "__init__.py").write_text("one = 1\n")
    assert code_version(package) == {}
    git(tmp_path, "init", "-q")
    # As an installed package inside somebody's repository: not tracked there.
    (tmp_path / "theirs.py").write_text("")
    git(tmp_path, "add", "theirs.py")
    git(tmp_path, "commit", "-qm", "theirs")
    assert code_version(package) == {}
    git(tmp_path, "add", "mindeye")
    git(tmp_path, "commit", "-qm", "ours")
    assert code_version(package) == {"commit": git(tmp_path, "rev-parse", "HEAD")}
    (tmp_path / "theirs.py").write_text("two = 2\n")
    assert code_version(package).keys() == {"commit"}
    (package / "__init__.py").write_text("one = 2\n")
    first = code_version(package)
    assert first.keys() == {"commit", "uncommitted_changes"}
    (package / "__init__.py").write_text("one = 3\n")
    assert code_version(package)["uncommitted_changes"] != first["uncommitted_changes"]
