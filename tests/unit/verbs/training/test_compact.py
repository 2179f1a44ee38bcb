"""A trained run with a smaller token head: what changes, and what stays."""

from dataclasses import replace

import pytest
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import load_decoder
from mindeye.models.token_head import LowRankHead, LowRankHeadConfig
from mindeye.run import RunFolder
from mindeye.training.loop import train
from mindeye.verbs.retrieval.retrieve import retrieve_run
from mindeye.verbs.training import compact
from mindeye.verbs.training.compact import compact_run

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


def test_what_cannot_be_compacted_is_refused_and_nothing_is_written(finished_run, tmp_path):
    out = tmp_path / "small"
    with pytest.raises(ValueError, match=r"`rank` is 0\. Choose 1 or more"):
        compact_run(finished_run, out, 0)
    with pytest.raises(ValueError, match=r"`decoder\.token_head\.rank` 24 the token head would"):
        compact_run(finished_run, out, 24)
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
