import json
from pathlib import Path

import pytest
import torch

from mindeye.quirks import Quirks
from mindeye.run import RunFolder, versions


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(path=tmp_path / "run")


def test_begin_writes_config_and_provenance_and_accepts_the_same_again(run, tiny_experiment):
    run.begin(tiny_experiment, {"data": [{"subject": 1}], "seed": 3})
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    run.begin(tiny_experiment, {"data": [{"subject": 1}], "seed": 3})
    assert before == {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert {"config.yaml", "provenance.json"} <= before.keys()
    assert run.provenance()["versions"] == versions()
    assert {"python", "mindeye", "torch"} <= versions().keys()


def test_other_data_in_the_same_folder_are_refused(run, tiny_experiment):
    run.begin(tiny_experiment, {"data": [{"voxel_hash": "a"}]})
    with pytest.raises(ValueError, match="holds a run with another configuration"):
        run.begin(tiny_experiment, {"data": [{"voxel_hash": "b"}]})


def test_a_folder_with_something_else_is_refused_and_left_alone(run, tiny_experiment):
    run.path.mkdir()
    (run.path / "letters.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        run.begin(tiny_experiment, {"data": []})
    assert [path.name for path in run.path.iterdir()] == ["letters.txt"]


@pytest.mark.parametrize("saved", [None, {}, {"compat": "mindeye2", "blended_with_blurry": False}])
def test_a_run_knows_its_quirks_and_an_older_one_has_none(run, tiny_experiment, saved):
    run.begin(tiny_experiment, {"data": []} if saved is None else {"data": [], "quirks": saved})
    assert run.quirks() == Quirks(**(saved or {})).resolved()
    assert bool(run.quirks().switched_on()) == bool(saved)


def test_a_quirk_that_nobody_knows_is_refused_with_the_likely_one(run, tiny_experiment):
    run.begin(tiny_experiment, {"data": [], "quirks": {"washed_targets": True}})
    with pytest.raises(LookupError, match=r"`washed_targets` in .*Did you mean `washed_out_targ"):
        run.quirks()


def test_weights_come_back_and_end_the_run(run, tiny_experiment):
    run.begin(tiny_experiment, {"data": []})
    weights = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2)}
    run.checkpoints.save({"weights": weights, "step": 1})
    assert not run.is_finished
    with pytest.raises(FileNotFoundError, match="its training has not ended"):
        run.weights()
    run.finish(weights)
    assert run.is_finished
    assert run.checkpoints.load() is None
    assert run.weights().keys() == weights.keys()
    torch.testing.assert_close(run.weights()["a"], weights["a"], rtol=0, atol=0)


def test_damaged_weights_are_named(run, tiny_experiment):
    run.begin(tiny_experiment, {"data": []})
    run.finish({"a": torch.ones(100)})
    run.weights_path.write_bytes(run.weights_path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged"):
        run.weights()


def test_of_a_repeated_step_the_last_line_counts_and_a_cut_line_is_skipped(run, tiny_experiment):
    run.begin(tiny_experiment, {"data": []})
    assert run.read_log() == []
    for step, loss in [(0, 3.0), (10, 2.0), (0, 4.0)]:
        run.append_log({"step": step, "loss": loss})
    with (run.path / "log.jsonl").open("a") as stream:
        stream.write("3\n[]\n{}\n")
        stream.write(json.dumps({"step": 20, "loss": 1.0})[:-5])
    assert run.read_log() == [{"step": 0, "loss": 4.0}, {"step": 10, "loss": 2.0}]


def test_a_folder_without_a_run_says_how_to_make_one(run):
    with pytest.raises(FileNotFoundError, match=r"is not a run folder.*mindeye train CONFIG"):
        run.provenance()


def test_a_log_that_cannot_be_written_says_why(run, tiny_experiment):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full, which Linux has")
    run.begin(tiny_experiment, {"data": []})
    (run.path / "log.jsonl").symlink_to(full)
    with pytest.raises(OSError, match=r"log\.jsonl could not be written .*Is the disk full\?"):
        run.append_log({"step": 0})


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"name": "of another program"}'])
def test_a_provenance_that_is_not_of_a_run_is_named(run, content):
    run.path.mkdir()
    (run.path / "provenance.json").write_text(content)
    for read in (run.provenance, run.quirks, run.require_finished):
        with pytest.raises(ValueError, match=r"provenance\.json does not tell which data .* Is "):
            read()
