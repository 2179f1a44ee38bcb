"""Token heads compared: as small in a small decoder as at full size, counted as they compute."""

import json
from dataclasses import asdict, replace

import pytest

from mindeye.models.low_level import LowLevelConfig
from mindeye.models.token_head import (
    LowRankHeadConfig,
    TokenCodeHeadConfig,
    WindowHeadConfig,
    num_weights,
)
from mindeye.verbs.benchmarks import token_head_costs
from mindeye.verbs.benchmarks.token_head_costs import (
    HeadTime,
    cost_table,
    full_size_systems,
    head_costs,
    head_times,
    measure_head,
)
from mindeye.verbs.benchmarks.token_heads import DENSE, HEADS, recipes_of, scaled_head

FULL, SIMULATED = (4096, 257, 768), (512, 26, 128)


def test_a_scaled_head_holds_the_share_that_it_holds_at_full_size():
    scaled = {name: scaled_head(head, SIMULATED) for name, head in HEADS.items()}
    assert scaled == {
        "dense": None,
        "rank 512": LowRankHeadConfig(rank=57),
        "code 128": TokenCodeHeadConfig(code_width=21),
        "window 680": WindowHeadConfig(window=85),
    }
    for name, head in HEADS.items():
        shares = [
            num_weights(one, *shape) / num_weights(None, *shape)
            for one, shape in ((head, FULL), (scaled[name], SIMULATED))
        ]
        assert shares[0] == pytest.approx(shares[1], rel=0.02)
        assert scaled_head(head, FULL) == head


def test_recipes_differ_in_their_token_head_alone(tiny_experiment):
    recipes = recipes_of(tiny_experiment)
    assert recipes[DENSE] == tiny_experiment
    heads = [recipe.decoder.token_head for recipe in recipes.values()]
    assert len(set(heads)) == len(HEADS)
    for recipe in recipes.values():
        dense = replace(recipe.decoder, token_head=None)
        assert replace(recipe, decoder=dense) == tiny_experiment


@pytest.fixture
def system(tiny_experiment):
    """MindEye1's tokens behind a decoder so narrow that rank 512 would be no saving."""
    low_level = LowLevelConfig(base_channels=4, base_side=8)
    backbone = replace(tiny_experiment.decoder.backbone, width=700)
    prior = replace(tiny_experiment.decoder.prior, head_width=64)
    narrow = replace(tiny_experiment.decoder, low_level=low_level, backbone=backbone, prior=prior)
    return full_size_systems(narrow, narrow)[0]


def test_operations_are_two_for_each_multiplication_of_three_passes(system):
    of_head = {one.head: one for one in head_costs(system)}
    outputs = 257 * 768
    assert {name: one.floating_point_operations for name, one in of_head.items()} == {
        "dense": 6 * 32 * 700 * outputs,
        "rank 512": 6 * 32 * 512 * (700 + outputs),
        "code 128": 6 * 32 * 128 * (700 * 257 + outputs),
        "window 680": 6 * 32 * 680 * outputs,
    }


def test_a_decoder_with_a_compact_head_differs_by_the_head_and_takes_16_bytes_a_parameter(system):
    of_head = {one.head: one for one in head_costs(system)}
    rests = {one.model_parameters - one.head_parameters for one in of_head.values()}
    assert len(rests) == 1
    dense = of_head["dense"]
    assert dense.head_parameters == 701 * 257 * 768
    assert dense.model_bytes == 16 * dense.model_parameters


def test_a_measured_head_runs_forward_and_backward():
    timed = measure_head("code 128", (5, 200), width=300, rounds=2)
    assert timed.width == 300
    assert timed.cpu_s > 0
    assert 0.05 < timed.peak_gb < 50


def test_an_unknown_head_is_refused():
    with pytest.raises(LookupError, match=r"`rank 7`\. Choose one of dense, rank 512, code 128"):
        measure_head("rank 7", (5, 8), width=12, rounds=1)


def test_times_are_those_of_other_processes_and_stand_in_the_table(system, tmp_path, monkeypatch):
    asked = []

    def telling(command):
        asked.append(command[1:])
        return json.loads(json.dumps(asdict(HeadTime(width=64, cpu_s=len(asked), peak_gb=0.5))))

    monkeypatch.setattr(token_head_costs, "told", telling)
    times = head_times(tmp_path / "program.py", 64, 3, lambda done, total: None)
    assert asked[1] == ["--measure", "rank 512", "--width", "64", "--rounds", "3"]
    assert [row[-2:] for row in cost_table(system, times).rows] == [
        [f"{number}.000", "0.50"] for number in (1, 2, 3, 4)
    ]
    plain = cost_table(system, {})
    assert {len(row) for row in plain.rows} == {len(plain.header)} == {6}
    assert plain.rows[0][3] == "1.00"
