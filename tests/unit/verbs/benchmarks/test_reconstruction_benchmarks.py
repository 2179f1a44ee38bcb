import json

import pytest
import torch

from mindeye.verbs.benchmarks import few_step_prior as few_step
from mindeye.verbs.benchmarks import prior_sampling_times as times
from mindeye.verbs.benchmarks.few_step_prior import MEASURES, few_step_prior
from mindeye.verbs.benchmarks.prior_sampling_times import (
    SamplingSetting,
    prior_sampling_times,
    ways_of,
)

SETTING = SamplingSetting(
    images=3, candidates=2, num_tokens=3, width=8, depth=2, steps=6, batch=4, plain_pictures=3
)


def test_every_way_draws_the_same_tokens():
    tokens = {name: draw(slice(0, 6)).float() for name, (draw, _) in ways_of(SETTING).items()}
    first = tokens["published, picture by picture"]
    assert first.shape == (6, 3, 8)
    assert (first.std(0) > 0).all()
    torch.testing.assert_close(tokens["published, image by image"], first, rtol=0, atol=1e-4)
    torch.testing.assert_close(tokens["ours"], first, rtol=0, atol=1e-4)
    torch.testing.assert_close(tokens["ours, bfloat16"], first, rtol=0, atol=0.2)


def test_rounds_are_told_and_written(tmp_path, torch_threads):
    lines = list(prior_sampling_times(SETTING, 2, tmp_path))
    assert sum(line.startswith("After") for line in lines) == 2
    saved = json.loads((tmp_path / "prior-sampling.json").read_text())
    assert saved["rounds"] == 2
    assert {len(values) for values in saved["found"].values()} == {2}
    assert saved["differences"]["ours"] < 1e-4
    (ours,) = (line for line in lines[-4:] if line.startswith("ours "))
    faster = [saved["found"][name] for name in ("published, picture by picture", "ours")]
    ratio = _median(faster[0]) / _median(faster[1])
    assert float(ours.split()[4]) == pytest.approx(ratio, abs=0.006)
    assert ("BAR MISSED" in ours) == (ratio < 5)


def _median(rounds) -> float:
    return sum(one["wall_ms"] for one in rounds) / 2


def test_a_loop_that_draws_other_tokens_is_refused(tmp_path, monkeypatch, torch_threads):
    monkeypatch.setattr(times, "plain_denoised", lambda prior, noisy, *others: noisy / 2)
    with pytest.raises(ValueError, match="Our tokens differ from the published loop's by"):
        list(prior_sampling_times(SETTING, 1, tmp_path))


def test_samplers_are_measured_against_the_mean_of_long_runs(finished_run, tmp_path, monkeypatch):
    monkeypatch.setattr(few_step, "LONG_RUNS", 3)
    monkeypatch.setattr(few_step, "SHORT", (("ddim", 1), ("ddim", 10)))
    out = tmp_path / "few"
    lines = list(few_step_prior(finished_run, out, guidances=[1.0], num_images=None, seed=0))
    saved = json.loads((out / "few-step-prior.json").read_text())
    rows = {(one["sampler"], one["steps"]): one for one in saved["scores"]}
    assert list(rows) == [("ddpm", 20), ("ddim", 1), ("ddim", 10)]
    for one in rows.values():
        assert list(one["values"]) == list(MEASURES)
        for value, low, high in one["values"].values():
            assert low <= value <= high
    assert all(difference == [0, 0, 0] for difference in rows["ddpm", 20]["differences"].values())
    for name, (by, low, high) in rows["ddim", 10]["differences"].items():
        long = rows["ddpm", 20]["values"][name][0]
        assert rows["ddim", 10]["values"][name][0] - long == pytest.approx(by)
        assert low <= by <= high
    assert lines[-1].startswith("As good as 20 steps within the interval: ")
    told = [row for row in rows if all(one[2] >= 0 for one in rows[row]["differences"].values())]
    for sampler, steps in told:
        if steps <= 20:
            assert f"{sampler} {steps} (guidance 1)" in lines[-1]


@pytest.fixture
def torch_threads():
    """The benchmark takes all cores; later tests get what there was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
