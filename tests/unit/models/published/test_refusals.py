import functools
import re
from dataclasses import replace

import pytest
import torch

from mindeye.models.decoder import Decoder
from mindeye.models.published import (
    decoder_from_mindeye1,
    decoder_from_mindeye2,
    to_mindeye1,
    to_mindeye2,
)
from mindeye.models.token_head import LowRankHeadConfig

Weights = dict[str, torch.Tensor]


def test_a_missing_key_is_named_with_the_three_nearest(mindeye1):
    key = "net.causal_transformer.layers.1.0.to_kv.weight"
    del mindeye1[key]
    with pytest.raises(
        LookupError, match=rf"`{key}` is missing from this MindEye1 .*layers\.0"
    ) as caught:
        decoder_from_mindeye1(mindeye1)
    assert str(caught.value).count("`net.") == 4


def one_of_each_kind(state: Weights) -> list[str]:
    """Layers and blocks differ by number only: the last one stands for all."""
    return list({re.sub(r"\d+", "*", key): key for key in state}.values())


@pytest.fixture
def conversions(mindeye1, blurry, mindeye2):
    """(state, what converts it) of each kind of file."""
    return (
        (mindeye1, decoder_from_mindeye1),
        (blurry, lambda state: decoder_from_mindeye1(mindeye1, low_level=state)),
        (mindeye2, lambda state: decoder_from_mindeye2(state, subjects=(5, 2))),
    )


def test_whichever_key_is_missing_it_is_the_one_that_is_named(conversions):
    for state, convert in conversions:
        for key in one_of_each_kind(state):
            fewer = {name: value for name, value in state.items() if name != key}
            with pytest.raises(LookupError, match=rf"`{re.escape(key)}` is missing"):
                convert(fewer)


def test_whichever_weight_is_misshapen_it_is_the_one_that_is_named(conversions):
    for state, convert in conversions:
        for key in one_of_each_kind(state):
            value = state[key]
            for axis in range(value.dim()):
                # Nothing else tells the number of voxels.
                if axis == 1 and re.match(r"(voxel2clip\.)?lin0\.0|ridge", key):
                    continue
                wrong = torch.cat([value, value.narrow(axis, 0, 1)], dim=axis)
                named = f"`{key}` is {list(wrong.shape)} instead of {list(value.shape)}"
                with pytest.raises(ValueError, match=re.escape(named)):
                    convert({**state, key: wrong})


def test_an_unknown_key_is_named_with_the_three_nearest(mindeye2):
    mindeye2["backbone.clip_proj.9.weight"] = torch.ones(2)
    message = r"1 key is not part of a MindEye2.*nearest to `backbone\.clip_proj\.9\.weight` are `b"
    with pytest.raises(LookupError, match=message):
        decoder_from_mindeye2(mindeye2, subjects=(5, 2))


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        ("mindeye1", "mindeye2", r"are a MindEye1 checkpoint, not a MindEye2 one.*_mindeye1\("),
        ("mindeye2", "mindeye1", r"are a MindEye2 checkpoint, not a MindEye1 one.*_mindeye2\("),
        ("blurry", "mindeye1", r"are a MindEye1 low-level checkpoint, not a MindEye1.*low_level="),
        ("other", "mindeye2", r"no published MindEye checkpoint \(first key: conv1\.weight\)"),
        ("nothing", "mindeye1", r"These 0 tensors are no published MindEye .*first key: none"),
    ],
)
def test_the_checkpoint_of_another_family_is_refused(
    given, wanted, message, mindeye1, mindeye2, blurry
):
    state = {
        "mindeye1": mindeye1,
        "mindeye2": mindeye2,
        "blurry": blurry,
        "other": {"conv1.weight": torch.ones(2)},
        "nothing": {},
    }[given]
    convert = {
        "mindeye1": decoder_from_mindeye1,
        "mindeye2": functools.partial(decoder_from_mindeye2, subjects=(5, 2)),
    }[wanted]
    with pytest.raises(ValueError, match=message):
        convert(state)


def test_another_network_as_low_level_one_is_refused(mindeye1, mindeye2):
    with pytest.raises(ValueError, match="MindEye2 checkpoint, not a MindEye1 low-level one"):
        decoder_from_mindeye1(mindeye1, low_level=mindeye2)


@pytest.mark.parametrize("subjects", [(5,), (5, 2, 1), (5, 5)])
def test_subjects_that_are_not_those_of_the_ridge_layers_are_refused(mindeye2, subjects):
    with pytest.raises(ValueError, match=r"has 2 ridge layers, but the subjects are \[5"):
        decoder_from_mindeye2(mindeye2, subjects=subjects)


def test_another_noise_schedule_is_refused(mindeye1):
    mindeye1["noise_scheduler.betas"] = torch.linspace(1e-4, 2e-2, 100)
    with pytest.raises(ValueError, match=r"`noise_scheduler\.betas` holds .* cosine schedule"):
        decoder_from_mindeye1(mindeye1)


def test_buffers_may_be_left_out_together(mindeye1):
    fewer = {
        key: value
        for key, value in mindeye1.items()
        if "noise_scheduler" not in key and "rotary" not in key
    }
    assert decoder_from_mindeye1(fewer).config.prior.train_times == 100


def test_a_key_that_stands_there_with_and_without_prefix_is_refused(mindeye1):
    mindeye1["module.net.learned_query"] = mindeye1["net.learned_query"]
    with pytest.raises(ValueError, match=r"`net\.learned_query` stands there twice"):
        decoder_from_mindeye1(mindeye1)


def test_only_their_own_architecture_is_written(tiny_experiment, small_decoder):
    shapes = {"token_shape": (4, 16), "latent_shape": (4, 8, 8)}
    ours = Decoder(tiny_experiment.decoder, num_voxels_of={1: 7}, **shapes)
    for write, family in ((to_mindeye1, "MindEye1"), (to_mindeye2, "MindEye2")):
        with pytest.raises(ValueError, match=rf"BackboneConfig, PriorConfig.* none of {family}'s"):
            write(ours)
    with pytest.raises(ValueError, match="none of MindEye1's architecture"):
        to_mindeye1(small_decoder("mindeye2 with idle mixer"))
    with pytest.raises(ValueError, match="none of MindEye2's architecture"):
        to_mindeye2(small_decoder("mindeye1"))


@pytest.mark.parametrize(
    ("kind", "write"), [("mindeye1", to_mindeye1), ("mindeye2 with idle mixer", to_mindeye2)]
)
def test_a_compact_token_head_has_no_place_in_a_published_checkpoint(kind, write, small_decoder):
    plain = small_decoder(kind).architecture
    compact = replace(plain.decoder, token_head=LowRankHeadConfig(rank=2))
    with pytest.raises(ValueError, match="BackboneConfig, LowRankHeadConfig, PublishedPrior"):
        write(Decoder.of(replace(plain, decoder=compact)))
