"""Small made-up checkpoints with the published keys."""

import pytest
import torch

from mindeye.models.published import to_mindeye1, to_mindeye2

Weights = dict[str, torch.Tensor]
LOW_LEVEL_MARKS = ("lin0.", "mlp.", "lin1.", "norm.", "upsampler.", "maps_projector.")


@pytest.fixture
def mindeye1(small_decoder) -> Weights:
    state = to_mindeye1(small_decoder("mindeye1"))
    return {key: value for key, value in state.items() if not key.startswith(LOW_LEVEL_MARKS)}


@pytest.fixture
def blurry(small_decoder) -> Weights:
    state = to_mindeye1(small_decoder("mindeye1"))
    return {key: value for key, value in state.items() if key.startswith(LOW_LEVEL_MARKS)}


@pytest.fixture
def mindeye2(small_decoder) -> Weights:
    return to_mindeye2(small_decoder("mindeye2 with idle mixer"))
