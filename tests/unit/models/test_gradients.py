"""Every parameter of every kind of decoder learns, except those that a switch names."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from mindeye.models.decoder import Decoder
from mindeye.models.prior import PriorConfig

TRIALS = 16


def loss_of(decoder: Decoder) -> torch.Tensor:
    """Contrastive, prior, low-level and map losses over all subjects."""
    total = torch.zeros(())
    for subject, num_voxels in decoder.architecture.num_voxels_of.items():
        output = decoder(torch.randn(TRIALS, num_voxels), subject)
        tokens = torch.randn(output.brain_tokens.shape)
        images = functional.normalize(tokens.flatten(1), dim=1)
        similarities = output.embeddings @ images.T / 0.1
        total = total + functional.cross_entropy(similarities, torch.arange(TRIALS))
        generator = torch.Generator().manual_seed(3)
        total = total + decoder.prior.loss(output.brain_tokens, tokens, generator)
        for one in (output.low_level_latents, output.low_level_maps):
            if one is not None:
                total = total + functional.mse_loss(one, torch.randn(one.shape))
    return total


@pytest.mark.parametrize("drop", [True, False])
def test_all_parameters_get_a_gradient_but_those_that_a_switch_names(kind, drop, small_decoder):
    decoder = small_decoder(kind)
    is_ours = isinstance(decoder.prior.config, PriorConfig)
    dropped = ("drop_condition",) if is_ours else ("drop_condition", "drop_image")
    shares = dict.fromkeys(dropped, 0.5 if drop else 0.0)
    decoder.prior.config = replace(decoder.prior.config, **shares)
    loss_of(decoder).backward()
    idle = {
        name
        for name, one in decoder.named_parameters()
        if one.grad is None or not one.grad.abs().max() > 0
    }
    expected = {name for name, _ in decoder.named_parameters() if name.startswith("backbone.idle.")}
    assert bool(expected) == (kind == "mindeye2 with idle mixer")
    if not drop:
        expected |= {"prior.null_brain"} if is_ours else {"prior.null_brain", "prior.null_image"}
    assert idle == expected


def test_the_low_level_path_of_mindeye1_is_all_that_its_latents_move(small_decoder):
    decoder = small_decoder("mindeye1")
    output = decoder(torch.randn(TRIALS, 11), 1)
    (output.low_level_latents.square().mean() + output.low_level_maps.square().mean()).backward()
    moved = {name.split(".")[0] for name, one in decoder.named_parameters() if one.grad is not None}
    assert moved == {"low_level", "low_level_path"}
