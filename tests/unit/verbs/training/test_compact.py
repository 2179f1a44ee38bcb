"""A trained run with a smaller token head: what changes, and what stays."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mindeye.cli import main
from mindeye.config import load_yaml
from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import load_decoder
from mindeye.models.token_head import LowRankHead, LowRankHeadConfig
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.verbs.retrieval.retrieve import retrieve_run
from mindeye.verbs.training import compact
from mindeye.verbs.training.compact import compact_run, tuning_of

RANK = 4


def test_the_head_is_the_nearest_one_for_training_scans_and_nothing_else_changes(
    finished_run, tmp_path, tiny_prepared, monkeypatch
):
    monkeypatch.setattr(compact, "IMAGES_AT_ONCE", 7)
    seen = []
    run = compact_run(finished_run, tmp_path / "small", RANK, progress=lambda *at: seen.append(at))
    assert seen[-1][0] == seen[-1][1]
    dense, small = load_decoder(finished_run), load_decoder(run.path)
    assert small.config == replace(dense.config, token_head=LowRankHeadConfig(rank=RANK))
    with torch.no_grad():
        betas = PreparedSubject(tiny_prepared).repeats("train").mean()
        hidden = dense.backbone(dense.ridge(betas, 1))
        moments = hidden.mean(0), torch.cov(hidden.T)
        expected = LowRankHead.of(dense.token_head, *moments, RANK)(hidden)
        torch.testing.assert_close(small.token_head(hidden), expected, rtol=1e-3, atol=1e-4)
    before, after = RunFolder(path=finished_run).weights(), run.weights()
    assert {name for name in after if name not in before} == {
        *("token_head.to_code.weight", "token_head.to_tokens.weight", "token_head.to_tokens.bias")
    }
    assert all(torch.equal(one, before[name]) for name, one in after.items() if name in before)
    assert retrieve_run(run.path).rows
    assert run.provenance()["compacted"]["images"] == len(betas)


def test_a_compacted_run_is_no_training_but_one_to_start_from(
    finished_run, tmp_path, tiny_experiment
):
    run = compact_run(finished_run, tmp_path / "small", RANK)
    small = replace(tiny_experiment.decoder, token_head=LowRankHeadConfig(rank=RANK))
    config = replace(tiny_experiment, decoder=small)
    with pytest.raises(ValueError, match="holds a run with another configuration"):
        train(config, run.path)
    tuned = train(replace(config, start_from=run.path), tmp_path / "tuned")
    assert load_decoder(tuned.path).config.token_head == LowRankHeadConfig(rank=RANK)
    assert tuned.provenance()["started_from"]["compacted"] == run.provenance()["compacted"]


def test_tuning_goes_on_as_the_training_did_for_fewer_epochs_at_a_smaller_rate(
    finished_run, tmp_path
):
    run = compact_run(finished_run, tmp_path / "small", RANK)
    tuning = load_yaml(ExperimentConfig, run.path / "tuning.yaml")
    assert tuning.start_from == run.path.resolve()
    assert tuning.decoder.token_head == LowRankHeadConfig(rank=RANK)
    trained = load_yaml(ExperimentConfig, finished_run / "config.yaml")
    of_training, of_tuning = trained.schedule, tuning.schedule
    assert of_tuning.learning_rate == pytest.approx(0.3 * of_training.learning_rate)
    long = replace(trained, schedule=replace(of_training, num_epochs=240))
    assert tuning_of(long, RANK, None).schedule.num_epochs == 64
    assert 1 <= of_tuning.num_epochs <= of_training.num_epochs
    same = {"num_epochs": of_training.num_epochs, "learning_rate": of_training.learning_rate}
    assert replace(of_tuning, **same) == of_training
    back = replace(tuning, schedule=of_training, decoder=trained.decoder, start_from=None)
    assert back == trained
    tuned = train(tuning, tmp_path / "tuned")
    assert load_decoder(tuned.path).config == load_decoder(run.path).config


def test_what_cannot_be_compacted_is_refused_and_nothing_is_written(finished_run, tmp_path):
    out = tmp_path / "small"
    with pytest.raises(ValueError, match=r"`rank` is 0\. Choose 1 or more"):
        compact_run(finished_run, out, 0)
    # 18 x (24 + 80) = 1,872 weights are fewer than 24 x 80 = 1,920, but 19 x 104 are more.
    with pytest.raises(ValueError, match=r"hold 1,976 weights, .* 1,920\. Choose less than 19\.$"):
        compact_run(finished_run, out, 19)
    (tmp_path / "file").write_text("taken")
    with pytest.raises(NotADirectoryError, match="file is a file, but a folder is to be written"):
        compact_run(finished_run, tmp_path / "file", RANK)
    assert not out.exists()
    run = compact_run(finished_run, out, RANK)
    with pytest.raises(ValueError, match=r"is compact already \(LowRankHeadConfig\(rank=4\)\)"):
        compact_run(run.path, tmp_path / "smaller", 2)
    with pytest.raises(ValueError, match="is not empty"):
        compact_run(finished_run, out, RANK)
    (finished_run / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="its training has not ended"):
        compact_run(finished_run, tmp_path / "smaller", RANK)
    assert not (tmp_path / "smaller").exists()


def test_a_converted_run_is_refused_because_it_names_no_scans(finished_run, tmp_path, change_json):
    change_json(finished_run / "provenance.json", lambda about: about.update(data=[]))
    with pytest.raises(ValueError, match=r"was converted .* names no scans, .* Fine-tune it first"):
        compact_run(finished_run, tmp_path / "small", RANK)


def test_the_scans_of_all_subjects_count_and_no_frozen_network_is_opened(
    tmp_path, tiny_prepared, tiny_experiment, belonging_to, change_json
):
    second = shutil.copytree(tiny_prepared, tmp_path / "second")
    belonging_to(second, 2)
    both = train(replace(tiny_experiment, data=(tiny_prepared, second)), tmp_path / "both")

    def gone(about: dict) -> None:
        about["paths"] |= {"clip": "nowhere", "vae": "nowhere"}

    change_json(both.path / "provenance.json", gone)
    run = compact_run(both.path, tmp_path / "small", RANK)
    dense, small = load_decoder(both.path), load_decoder(run.path)
    with torch.no_grad():
        means = [PreparedSubject(one).repeats("train").mean() for one in (tiny_prepared, second)]
        hidden = torch.cat(
            [dense.backbone(dense.ridge(one, subject)) for subject, one in enumerate(means, 1)]
        )
        moments = hidden.mean(0), torch.cov(hidden.T)
        expected = LowRankHead.of(dense.token_head, *moments, RANK)(hidden)
        torch.testing.assert_close(small.token_head(hidden), expected, rtol=1e-3, atol=1e-4)
    assert run.provenance()["compacted"]["images"] == len(hidden)


def test_scans_that_changed_since_the_training_are_refused(
    tmp_path, tiny_prepared, tiny_experiment, change_json
):
    prepared = shutil.copytree(tiny_prepared, tmp_path / "prepared")
    run = train(replace(tiny_experiment, data=(prepared,)), tmp_path / "run")
    change_json(prepared / "manifest.json", lambda told: told["files"].update(images="0"))
    with pytest.raises(ValueError, match="holds other data than this run was trained with"):
        compact_run(run.path, tmp_path / "small", RANK)


@pytest.fixture
def moved(tmp_path, tiny_prepared, tiny_experiment, belonging_to):
    """A run of two subjects, one of whose folders has moved since: (run, where it is now)."""
    second = Path(shutil.copytree(tiny_prepared, tmp_path / "second"))
    belonging_to(second, 2)
    run = train(replace(tiny_experiment, data=(tiny_prepared, second)), tmp_path / "both")
    return run.path, second.rename(tmp_path / "moved")


def test_scans_that_have_moved_are_given_and_where_they_are_is_kept(
    moved, tmp_path, tiny_prepared, capsys
):
    run, second = moved
    line = ["compact", str(run), "--rank", str(RANK)]
    with pytest.raises(SystemExit):
        main([*line, "--out", str(tmp_path / "absent")])
    assert "second/manifest.json is missing" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()
    small = tmp_path / "small"
    main([*line, "--out", str(small), "--data", str(second)])
    places = (tiny_prepared, second)
    assert RunFolder(path=small).provenance()["paths"]["data"] == [str(one) for one in places]
    assert load_yaml(ExperimentConfig, small / "tuning.yaml").data == places
    assert retrieve_run(small, subject=2).about["subject"] == 2
    second.rename(tmp_path / "second")
    main([*line, "--out", str(tmp_path / "there")])
    weights = (small / "weights.safetensors").read_bytes()
    assert (tmp_path / "there" / "weights.safetensors").read_bytes() == weights


def test_scans_that_are_not_those_of_the_training_are_refused(
    moved, tmp_path, tiny_prepared, belonging_to, change_json
):
    run, second = moved
    third = Path(shutil.copytree(tiny_prepared, tmp_path / "third"))
    belonging_to(third, 3)
    with pytest.raises(LookupError, match=r"third is of subject 3, but .* was trained on 1, 2"):
        compact_run(run, tmp_path / "small", RANK, data=[second, third])
    with pytest.raises(ValueError, match=r"are both of subject 2\. Give one"):
        compact_run(run, tmp_path / "small", RANK, data=[second, second])
    change_json(second / "manifest.json", lambda told: told["files"].update(images="0"))
    with pytest.raises(ValueError, match="holds other data than this run was trained with"):
        compact_run(run, tmp_path / "small", RANK, data=[second])
    assert not (tmp_path / "small").exists()
