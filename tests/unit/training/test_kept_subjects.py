"""Adding a subject: those who were there before stay as they were, to the bit."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.saved import load_decoder, new_decoder
from mindeye.reconstruction.decoder_run import open_decoder
from mindeye.reconstruction.opening import open_run
from mindeye.training import loop
from mindeye.training.loop import train
from mindeye.training.optimizer import decay_groups
from mindeye.training.plan import plan_of
from mindeye.training.starting import train_only


@pytest.fixture
def adding(tiny_experiment, second_prepared, uninterrupted):
    """Subject 2 beside subject 1, with a weight decay that would be seen at once."""
    return replace(
        tiny_experiment,
        data=(second_prepared,),
        start_from=uninterrupted(tiny_experiment).path,
        keep_subjects=True,
        schedule=replace(tiny_experiment.schedule, weight_decay=5.0),
    )


def test_with_only_ridges_trained_a_kept_subject_decodes_the_same_bits(
    adding, uninterrupted, tiny_experiment, tmp_path
):
    first = uninterrupted(tiny_experiment)
    run = train(replace(adding, parts=("ridge",)), tmp_path / "run")
    before, after = load_file(first.weights_path), load_file(run.weights_path)
    assert after.keys() - before.keys() == {"ridge.layers.2.weight", "ridge.layers.2.bias"}
    for name, value in before.items():
        assert torch.equal(after[name], value), name
    old, new = load_decoder(first.path), load_decoder(run.path)
    betas = torch.randn(5, 20)
    ours, theirs = new(betas, 1), old(betas, 1)
    for name in ("brain_tokens", "retrieval_tokens", "low_level_latents"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    torch.manual_seed(adding.seed)
    fresh = new_decoder(run.path).state_dict()
    assert not torch.equal(after["ridge.layers.2.weight"], fresh["ridge.layers.2.weight"])


def test_with_shared_parts_trained_a_kept_ridge_stays_but_not_what_it_decodes(
    adding, uninterrupted, tiny_experiment, tmp_path
):
    first = uninterrupted(tiny_experiment)
    run = train(adding, tmp_path / "run")
    before, after = load_file(first.weights_path), load_file(run.weights_path)
    same = {name for name, value in before.items() if torch.equal(after[name], value)}
    assert {"ridge.layers.1.weight", "ridge.layers.1.bias"} <= same
    assert "token_head.linear.weight" not in same


def test_a_run_with_kept_subjects_is_opened_and_decoded_with_for_each(adding, tmp_path):
    run = train(replace(adding, parts=("ridge",)), tmp_path / "run")
    assert [one["subject"] for one in run.provenance()["data"]] == [2, 1]
    assert open_run(run.path).prepared.subject == 2
    assert open_run(run.path, subject=1).prepared.subject == 1
    assert [open_decoder(run.path, subject=one).bundle.subject for one in (1, 2)] == [1, 2]
    # It is a start like any other: who was kept is kept again.
    again = replace(adding, start_from=run.path, parts=("ridge",), keep_subjects=True)
    assert plan_of(again).parameters_of["ridge"] == 2 * (20 * 24 + 24)


def test_kept_ridges_are_not_in_the_optimizer(adding, tiny_experiment, tmp_path):
    low_level = PublishedLowLevelConfig(
        base_channels=64,
        base_side=4,
        block_channels=(32, 32),
        map_width=None,
        path=LowLevelPathConfig(width=8),
    )
    config = replace(tiny_experiment.decoder, low_level=low_level)
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = type(load_decoder(adding.start_from))(config, num_voxels_of={1: 20, 2: 20}, **shapes)
    train_only(decoder, ("ridge", "low_level_path"), kept=(1,))
    trained = {id(one) for group in decay_groups(decoder, 5.0) for one in group["params"]}
    names = {name for name, one in decoder.named_parameters() if id(one) in trained}
    assert {name.split(".")[0] for name in names} == {"ridge", "low_level_path"}
    assert not [name for name in names if "layers.1." in name]
    assert [name for name in names if "ridge.layers.2." in name]


def test_a_step_of_one_subject_leaves_the_ridges_of_others(
    tiny_experiment, tiny_prepared, second_prepared, tmp_path, monkeypatch
):
    """Each batch is one subject's here; neither decay nor momentum reaches the other's layer."""
    plain, seen = loop.one_step, []

    def watched(state, batch, *rest):
        layers = state.decoder.ridge.layers
        before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
        values = plain(state, batch, *rest)
        moved = {name for name in before if not torch.equal(before[name], layers[name].weight)}
        seen.append(({str(part.subject) for part in batch.parts}, moved))
        return values

    monkeypatch.setattr(loop, "one_step", watched)
    schedule = replace(tiny_experiment.schedule, weight_decay=5.0, num_epochs=2)
    both = (tiny_prepared, second_prepared)
    loop.train(replace(tiny_experiment, data=both, schedule=schedule), tmp_path / "run")
    assert all(moved == shown for shown, moved in seen)
    assert {name for _, moved in seen for name in moved} == {"1", "2"}


def test_keeping_nobody_is_refused(adding, tiny_experiment, tiny_prepared, tmp_path):
    with pytest.raises(ValueError, match="without `start_from` there is nobody to keep"):
        replace(tiny_experiment, keep_subjects=True)
    with pytest.raises(ValueError, match=r"all that .* knows are trained here: 1\. Leave"):
        train(replace(adding, data=(tiny_prepared,)), tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        train(replace(adding, start_from=tmp_path / "nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_people_with_one_number_are_not_kept_in_one_decoder(
    adding, tiny_experiment, tiny_prepared, second_prepared, tmp_path
):
    both = replace(tiny_experiment, data=(tiny_prepared, second_prepared), seed=6)
    start = train(both, tmp_path / "both").path
    folder = shutil.copytree(tiny_prepared, tmp_path / "stranger")
    manifest = json.loads((folder / "manifest.json").read_text())
    names = {"dataset": "things", "picture_set": "other"}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **names}))
    with pytest.raises(ValueError, match="knows somebody else as subject 1 than `data`"):
        train(replace(adding, data=(folder,), start_from=start), tmp_path / "run")
    assert not (tmp_path / "run").exists()
