"""Which parameters decay, and that all of them learn."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mindeye.models.decoder import Decoder
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.token_head import LowRankHeadConfig, TokenCodeHeadConfig, WindowHeadConfig
from mindeye.quirks import Quirks
from mindeye.training import loop
from mindeye.training.loop import train
from mindeye.training.optimizer import decay_groups


def test_every_parameter_stands_in_one_decay_group_and_norms_and_biases_are_free(tiny_experiment):
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(tiny_experiment.decoder, num_voxels_of={1: 20}, **shapes)
    groups = {group["weight_decay"]: group["params"] for group in decay_groups(decoder, 0.1, 0.7)}
    assert groups.keys() == {0.0, 0.1, 0.7}
    members = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(members) == sorted(id(parameter) for parameter in decoder.parameters())
    assert [id(one) for one in groups[0.7]] == [id(decoder.ridge.layers["1"].weight)]
    named = {id(parameter): name for name, parameter in decoder.named_parameters()}
    free = {named[id(parameter)] for parameter in groups[0.0]}
    assert {"prior.places", "prior.null_brain", "ridge.layers.1.bias"} <= free
    assert all(parameter.ndim > 1 for parameter in groups[0.1])
    assert not {name for name in free if "linear.weight" in name}


@pytest.mark.parametrize(
    "head",
    [LowRankHeadConfig(rank=4), TokenCodeHeadConfig(code_width=3), WindowHeadConfig(window=9)],
)
@pytest.mark.parametrize("decayed_norms", [False, True])
def test_all_maps_of_a_compact_token_head_are_decayed_and_its_bias_is_not(
    head, decayed_norms, tiny_experiment
):
    config = replace(tiny_experiment.decoder, token_head=head)
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(config, num_voxels_of={1: 20}, **shapes)
    names = {name for name, _ in decoder.named_parameters() if name.startswith("token_head.")}
    decayed = decayed_names(decoder, decayed_norms=decayed_norms) & names
    assert decayed == {name for name in names if name.endswith("weight")}
    assert len(names) == len(decayed) + 1


def decayed_names(decoder: Decoder, **quirks) -> set[str]:
    groups = decay_groups(decoder, 0.1, quirks=Quirks(**quirks))
    decayed = {id(one) for group in groups if group["weight_decay"] for one in group["params"]}
    return {name for name, one in decoder.named_parameters() if id(one) in decayed}


def test_published_decay_spares_what_is_called_bias_and_nothing_else(tiny_experiment):
    prior = PublishedPriorConfig(depth=1, num_heads=2, head_width=8)
    config = replace(tiny_experiment.decoder, prior=prior, backbone=MixerBackboneConfig(width=24))
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(config, num_voxels_of={1: 20}, **shapes)
    ours, published = decayed_names(decoder), decayed_names(decoder, decayed_norms=True)
    assert ours < published
    everything = {name for name, _ in decoder.named_parameters()}
    assert everything - published == {name for name in everything if "bias" in name}
    gained = {"prior.null_brain", "prior.places", "contrastive_head.layers.0.weight"}
    assert gained <= published - ours
    assert "prior.transformer.position_bias.table.weight" not in published
    with_ridge = decayed_names(decoder, decayed_norms=True, decayed_ridge_bias=True)
    assert with_ridge - published == {"ridge.layers.1.bias"}
    assert decayed_names(decoder, decayed_ridge_bias=True) - ours == {"ridge.layers.1.bias"}


@pytest.mark.parametrize("quirk", ["decayed_norms", "decayed_ridge_bias"])
@pytest.mark.parametrize("is_on", [True, False])
def test_a_training_decays_as_its_quirks_say(tiny_experiment, tmp_path, monkeypatch, quirk, is_on):
    seen = {}

    def recording(state, *_):
        decoder, optimizer = state.decoder, state.optimizer
        name_of = {id(parameter): name for name, parameter in decoder.named_parameters()}
        for group in optimizer.param_groups:
            seen.update({name_of[id(one)]: group["weight_decay"] > 0 for one in group["params"]})
        return decoder.state_dict()

    monkeypatch.setattr(loop, "run_steps", recording)
    train(replace(tiny_experiment, quirks=Quirks(**{quirk: is_on})), tmp_path / "run")
    spared = {"decayed_norms": "prior.places", "decayed_ridge_bias": "ridge.layers.1.bias"}[quirk]
    assert seen[spared] == is_on


def test_every_parameter_gets_a_gradient(tiny_experiment, tmp_path, monkeypatch):
    seen = set()
    step = torch.optim.AdamW.step

    def recording(self, *arguments, **options):
        for group in self.param_groups:
            seen.update(
                id(parameter)
                for parameter in group["params"]
                if parameter.grad is not None and parameter.grad.abs().sum() > 0
            )
        everything.update(id(one) for group in self.param_groups for one in group["params"])
        return step(self, *arguments, **options)

    everything = set()
    monkeypatch.setattr(torch.optim.AdamW, "step", recording)
    run = train(tiny_experiment, tmp_path / "run")
    assert everything == seen
    # The prior's mean and standard deviation of the tokens are measured, not learned.
    assert len(everything) == len(load_file(run.weights_path)) - 2
