"""Fine-tuning: what a training takes over from another run, and what stays as it was."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.token_head import LowRankHeadConfig
from mindeye.quirks import Quirks
from mindeye.training.loop import train
from mindeye.training.plan import plan_of


def without_steps(config):
    """Rates so small that no weight moves by more than a rounding error of the comparison."""
    schedule = replace(config.schedule, num_epochs=1, learning_rate=1e-12, weight_decay=0.0)
    return replace(config, schedule=schedule)


def test_a_new_subject_gets_a_ridge_of_its_own_and_everything_else_is_taken_over(
    tiny_experiment, second_prepared, uninterrupted, tmp_path
):
    first = uninterrupted(tiny_experiment)
    given = load_file(first.weights_path)
    for keep in (False, True):
        config = replace(
            without_steps(tiny_experiment),
            data=(second_prepared,),
            start_from=first.path,
            quirks=Quirks(kept_ridge_bias=keep),
        )
        run = train(config, tmp_path / f"keep{keep}")
        found = load_file(run.weights_path)
        assert {"ridge.layers.2.weight", "ridge.layers.2.bias"} <= found.keys()
        for name in found.keys() & given.keys():
            torch.testing.assert_close(found[name], given[name], rtol=0, atol=1e-9)
        assert not torch.equal(found["ridge.layers.2.weight"], given["ridge.layers.1.weight"])
        same = torch.allclose(found["ridge.layers.2.bias"], given["ridge.layers.1.bias"], atol=1e-9)
        assert same == keep
        assert run.provenance()["start"] is not None


def test_only_the_named_parts_are_trained(tiny_experiment, uninterrupted, tmp_path):
    first = uninterrupted(tiny_experiment)
    config = replace(
        tiny_experiment,
        start_from=first.path,
        parts=("low_level",),
        losses=replace(tiny_experiment.losses, contrastive=0.0, prior=0.0),
    )
    before, after = (load_file(run.weights_path) for run in (first, train(config, tmp_path / "r")))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith("low_level.")}


def test_another_architecture_is_refused_with_both_shapes(tiny_experiment, uninterrupted, tmp_path):
    first = uninterrupted(tiny_experiment)
    wider = replace(tiny_experiment.decoder, contrastive_width=24)
    config = replace(tiny_experiment, decoder=wider, start_from=first.path)
    with pytest.raises(ValueError, match=r"has shape \(16, 16\) in .*, but \(24, 16\) here"):
        train(config, tmp_path / "run")
    deeper = replace(tiny_experiment.decoder, prior=replace(wider.prior, depth=2))
    config = replace(tiny_experiment, decoder=deeper, start_from=first.path)
    with pytest.raises(ValueError, match="its decoder is of another architecture"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dense_start_is_no_start_for_a_compact_token_head(
    tiny_experiment, uninterrupted, tmp_path
):
    compact = replace(tiny_experiment.decoder, token_head=LowRankHeadConfig(rank=4))
    start = uninterrupted(tiny_experiment).path
    config = replace(tiny_experiment, decoder=compact, start_from=start)
    with pytest.raises(
        ValueError, match=r"no weight `token_head\.to_code\.weight`: its decoder is"
    ):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_start_with_more_weights_than_the_decoder_takes_is_refused(tiny_experiment, tmp_path):
    prior = replace(tiny_experiment.decoder.prior, depth=2)
    deep = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, prior=prior))
    first = train(without_steps(deep), tmp_path / "deep")
    config = replace(tiny_experiment, start_from=first.path)
    with pytest.raises(ValueError, match=r"has a weight `prior\.transformer\..*` that this"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # A part that the decoder does not have at all is left out on purpose.
    without = replace(deep, decoder=replace(deep.decoder, low_level=None), start_from=first.path)
    assert plan_of(without).parameters_of.keys() == {
        *("ridge", "backbone", "token_head", "contrastive_head", "prior")
    }


def test_a_part_that_is_not_there_is_refused(tiny_experiment, uninterrupted, tmp_path):
    start = uninterrupted(tiny_experiment).path
    config = replace(tiny_experiment, parts=("low_levels",), start_from=start)
    with pytest.raises(LookupError, match="names `low_levels`, but this decoder has ridge, "):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_no_run_is_refused_before_anything_is_written(tiny_experiment, tmp_path):
    config = replace(tiny_experiment, start_from=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_parts_alone_without_a_start_are_refused(tiny_experiment):
    with pytest.raises(ValueError, match="without `start_from` all other parts would stay random"):
        replace(tiny_experiment, parts=("prior",))


def test_parts_that_stay_must_have_learned_the_same_targets(tiny_experiment, uninterrupted):
    start = uninterrupted(tiny_experiment).path
    other = replace(tiny_experiment, start_from=start, quirks=Quirks(washed_out_targets=True))
    with pytest.raises(
        ValueError, match=r"learned targets of tiny-clip-\w+, but here are .*washed"
    ):
        plan_of(replace(other, parts=("low_level",)))
    # Where everything is trained, it may learn other targets.
    assert plan_of(other).trained


def test_a_run_goes_on_telling_of_the_one_that_it_started_from(
    tiny_experiment, uninterrupted, tmp_path
):
    first = uninterrupted(tiny_experiment)
    run = train(replace(without_steps(tiny_experiment), start_from=first.path), tmp_path / "run")
    told = run.provenance()["started_from"]
    assert told["data"] == [{"subject": 1, "roi": "all", "sessions": [1]}]
    assert told["networks"] == first.provenance()["networks"]
    again = replace(without_steps(tiny_experiment), start_from=run.path)
    later = train(again, tmp_path / "later").provenance()
    assert later["started_from"]["started_from"]["data"] == told["data"]


def test_weights_that_no_output_depends_on_may_be_missing(tiny_experiment, tmp_path):
    """A converted MindEye2 run has left them out; the recipe holds them."""
    without, holding = (
        replace(
            without_steps(tiny_experiment),
            decoder=replace(
                tiny_experiment.decoder, backbone=MixerBackboneConfig(width=24, keep_idle=keep)
            ),
        )
        for keep in (False, True)
    )
    start = train(without, tmp_path / "without").path
    run = train(replace(holding, start_from=start), tmp_path / "holding")
    assert any(name.startswith("backbone.idle.") for name in load_file(run.weights_path))
