import math

import pytest

from mindeye.training.schedule import one_cycle, soft_temperature


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
