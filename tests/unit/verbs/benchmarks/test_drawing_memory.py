import pytest
import torch

from mindeye.verbs.benchmarks.drawing_memory import num_live_bytes
from mindeye.verbs.benchmarks.random_generators import num_parameters, plans_of

SMALL = {"token_shape": (5, 16), "small": True}


@pytest.fixture(scope="module")
def live() -> dict[str, int]:
    return num_live_bytes("versatile", **SMALL)


def weights() -> int:
    plans = plans_of("versatile", (5, 16), small=True)
    return 2 * (num_parameters(plans["image_unet"]) + num_parameters(plans["vae"]))


def test_weights_and_at_least_what_a_layer_reads_and_writes_live_at_once(live):
    assert list(live) == ["encode", "step", "decode"]
    assert live["encode"] >= weights() + 2 * (3 + 8) * 16**2
    assert live["step"] >= weights() + 2 * 2 * (4 + 32) * 8**2
    assert live["decode"] >= weights() + 2 * (8 + 3) * 16**2
    # And far from all feature maps together: most are freed again.
    assert live["step"] <= weights() + 2 * 2 * 40 * 32 * 8**2


def test_activations_grow_with_the_pictures_and_weights_do_not(live):
    several = num_live_bytes("versatile", pictures=3, **SMALL)
    for stage, one in live.items():
        grown = (several[stage] - weights()) / (one - weights())
        assert grown == pytest.approx(3, abs=0.3), stage


def test_four_bytes_a_number_take_twice_as_much_as_two(live):
    single = num_live_bytes("versatile", dtype=torch.float32, **SMALL)
    for stage, half in live.items():
        assert single[stage] == pytest.approx(2 * half, rel=0.05)
    assert torch.get_default_dtype() == torch.float32
