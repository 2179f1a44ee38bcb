import math

import pytest

from mindeye.training.schedule import one_cycle, phase_by_epoch, phase_by_step, soft_temperature


def rates(num_steps: int = 200, warmup: float = 0.1) -> list[float]:
    return [one_cycle(step, num_steps, 0.5, warmup) for step in range(num_steps)]


def test_the_rate_rises_to_the_peak_and_falls_from_it():
    values = rates()
    assert values[0] == pytest.approx(0.5 / 25)
    assert values[20] == pytest.approx(0.5)
    assert values[-1] == pytest.approx(0.5 / 25_000)
    assert values[:21] == sorted(values[:21])
    assert values[20:] == sorted(values[20:], reverse=True)


@pytest.mark.parametrize(("num_steps", "warmup"), [(1, 0.01), (2, 0.5), (3, 1.0), (50, 0.0)])
def test_short_trainings_have_finite_rates_up_to_the_peak(num_steps, warmup):
    for value in rates(num_steps, warmup):
        assert 0 < value <= 0.5 * (1 + 1e-12)


def test_the_rates_are_those_of_torch():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    settings = {"pct_start": 0.101, "div_factor": 25, "final_div_factor": 1000}
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=200, **settings)
    theirs = []
    for _ in range(200):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    # Torch counts the peak into the rise: step 0.101 * 200 - 1.
    ours = [one_cycle(step, 200, 0.5, 0.096) for step in range(200)]
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)


def test_the_temperature_goes_from_first_to_last_as_a_cosine():
    pair = (0.004, 0.0075)
    assert soft_temperature(0, pair) == pytest.approx(0.004)
    assert soft_temperature(1, pair) == pytest.approx(0.0075)
    assert soft_temperature(0.5, pair) == pytest.approx(0.00575)
    quarter = 0.0075 - 0.0035 * (1 + math.cos(math.pi / 4)) / 2
    assert soft_temperature(0.25, pair) == pytest.approx(quarter)


def test_by_step_mixco_fills_its_share_and_the_temperature_moves_over_the_rest():
    settings = (0.5, 0.006, (0.1, 0.3))
    assert phase_by_step(0.499, *settings).mixes
    assert phase_by_step(0.499, *settings).temperature == 0.006
    found = [phase_by_step(share, *settings) for share in (0.5, 0.75, 1.0)]
    assert not any(one.mixes for one in found)
    assert [one.temperature for one in found] == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(("num_epochs", "mixed"), [(240, 79), (150, 49)])
def test_by_epoch_the_phases_are_the_published_ones(num_epochs, mixed):
    phases = [
        phase_by_epoch(epoch, num_epochs, 0.33, 0.006, (0.004, 0.0075))
        for epoch in range(num_epochs)
    ]
    assert [one.mixes for one in phases] == [True] * mixed + [False] * (num_epochs - mixed)
    soft = [one.temperature for one in phases[mixed:]]
    assert (soft[0], soft[-1]) == pytest.approx((0.004, 0.0075), rel=1e-12)
    assert soft == sorted(soft)
    assert len(set(soft)) == num_epochs - mixed
