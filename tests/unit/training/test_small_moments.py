"""AdamW with moments in bfloat16 or int8 beside torch's own."""

import pytest
import torch
from torch import nn

from mindeye.quirks import Quirks
from mindeye.training.compute import ComputeConfig
from mindeye.training.experiment import ScheduleConfig
from mindeye.training.half_moments import HalfMomentAdamW, rounded_at_random
from mindeye.training.optimizer import new_optimizer

RATE = 1e-2


class Regression:
    """A layer large enough for bitsandbytes' 8-bit moments (4,096 elements)."""

    def __init__(self, state: str) -> None:
        torch.manual_seed(0)
        self.layer = nn.Linear(128, 64)
        schedule = ScheduleConfig(learning_rate=RATE)
        compute = ComputeConfig(optimizer_state=state)
        self.optimizer = new_optimizer(self.layer, schedule, compute, Quirks())
        self.seen = torch.randn(256, 128)
        self.wanted = self.seen @ torch.randn(128, 64) / 8

    def steps(self, first: int, last: int) -> None:
        for step in range(first, last):
            rows = slice(32 * (step % 8), 32 * (step % 8 + 1))
            loss = (self.layer(self.seen[rows]) - self.wanted[rows]).square().mean()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


def require(state: str) -> None:
    if state == "int8":
        pytest.importorskip("bitsandbytes", reason="pip install 'mindeye[int8]'")


# Seen: 0.0018 and 0.010 of the way.
@pytest.mark.parametrize(("state", "share"), [("bfloat16", 0.01), ("int8", 0.1)])
def test_weights_move_as_with_whole_moments(state, share):
    require(state)
    ours, plain = Regression(state), Regression("float32")
    begun = plain.layer.weight.detach().clone()
    for one in (ours, plain):
        one.steps(0, 60)
    way, apart = plain.layer.weight - begun, ours.layer.weight - plain.layer.weight
    assert 0 < apart.norm() < share * way.norm()


@pytest.mark.parametrize("state", ["bfloat16", "int8"])
def test_a_saved_state_goes_on_in_the_same_bits_and_stays_small(state, tmp_path):
    require(state)
    whole, first, second = (Regression(state) for _ in range(3))
    whole.steps(0, 20)
    first.steps(0, 9)
    torch.save(first.optimizer.state_dict(), tmp_path / "state.pt")
    second.layer.load_state_dict(first.layer.state_dict())
    second.optimizer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    second.steps(9, 20)
    assert torch.equal(second.layer.weight, whole.layer.weight)
    moments = second.optimizer.state[second.layer.weight].values()
    held = sum(one.nbytes for one in moments if torch.is_tensor(one) and one.numel() > 1)
    per_parameter = {"bfloat16": 4, "int8": 2.5}[state]
    assert held <= per_parameter * second.layer.weight.numel()


def test_moments_that_are_not_rounded_would_give_adamw_to_the_bit(monkeypatch):
    monkeypatch.setattr("mindeye.training.half_moments.torch.bfloat16", torch.float32)
    monkeypatch.setattr(
        "mindeye.training.half_moments.rounded_at_random", lambda values, noise: values
    )
    # Smaller chunks than the weights have elements.
    monkeypatch.setattr("mindeye.training.half_moments.CHUNK_OF", {"cpu": 1000})
    ours, plain = Regression("bfloat16"), Regression("float32")
    for one in (ours, plain):
        one.steps(0, 20)
    assert torch.equal(ours.layer.weight, plain.layer.weight)


def test_the_second_moment_falls_where_gradients_do_though_each_step_is_below_bfloat16():
    parameter = nn.Parameter(torch.zeros(20_000))
    optimizer = HalfMomentAdamW([parameter], lr=RATE)
    for gradient in [1.0] + [0.0] * 400:
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
    expected = 1e-3 * 0.999**400
    moment = optimizer.state[parameter]["exp_avg_sq"].double().mean()
    assert moment == pytest.approx(expected, rel=0.01)
    # Rounded to the nearest, it would not have moved.
    stuck = torch.tensor(1e-3).bfloat16()
    assert (stuck.float() * 0.999).bfloat16() == stuck


def test_rounding_at_random_takes_neighbours_and_keeps_the_mean():
    values = torch.full((100_000,), 1 + 0.3 * 2**-7)
    noise = torch.randint(2**16, values.shape, generator=torch.Generator().manual_seed(0))
    rounded = rounded_at_random(values, noise.int())
    assert rounded.unique().tolist() == [1.0, 1 + 2**-7]
    assert rounded.double().mean() == pytest.approx(values[0].item(), abs=2**-7 * 0.01)
    exact = torch.tensor([0.0, 1.0, 2.5, 3e-20]).bfloat16()
    most = torch.full((4,), 2**16 - 1, dtype=torch.int32)
    assert torch.equal(rounded_at_random(exact.float(), most), exact)
