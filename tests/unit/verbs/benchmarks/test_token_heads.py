"""Token heads compared: as small in a small decoder as at full size, counted as they compute."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from mindeye.config import load_yaml
from mindeye.files import sha256_of
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.token_head import (
    LowRankHeadConfig,
    TokenCodeHeadConfig,
    WindowHeadConfig,
    num_weights,
)
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks import compare_recipes as comparing
from mindeye.verbs.benchmarks import token_head_costs
from mindeye.verbs.benchmarks.compare_recipes import ComparisonConfig, compare_recipes
from mindeye.verbs.benchmarks.token_head_costs import (
    HeadTime,
    cost_table,
    full_size_systems,
    head_costs,
    head_times,
    measure_head,
)
from mindeye.verbs.benchmarks.token_heads import (
    COMPACTED,
    DENSE,
    HEADS,
    compacted_start,
    recipes_of,
    scaled_head,
)

FULL, SIMULATED = (4096, 257, 768), (512, 26, 128)


def test_a_scaled_head_holds_the_share_that_it_holds_at_full_size():
    scaled = {name: scaled_head(head, SIMULATED) for name, head in HEADS.items()}
    assert scaled == {
        "dense": None,
        "rank 512": LowRankHeadConfig(rank=57),
        "code 128": TokenCodeHeadConfig(code_width=21),
        "window 680": WindowHeadConfig(window=85),
        "rank 600 of dense": LowRankHeadConfig(rank=66),
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
    assert len(set(heads)) == len(recipes) == len(HEADS)
    for name in recipes.keys() - {COMPACTED}:
        recipe = recipes[name]
        dense = replace(recipe.decoder, token_head=None)
        assert replace(recipe, decoder=dense) == tiny_experiment


@pytest.fixture
def compared(tiny_experiment, tiny_prepared, tmp_path, monkeypatch):
    """The dense head and its compacted one, compared on one subject."""
    recipes = recipes_of(tiny_experiment)
    monkeypatch.setattr(comparing, "prepared_subject", lambda *_: tiny_prepared)
    monkeypatch.setattr(comparing, "picture_scores_of", lambda *_: {"PixCorr": np.ones(8)})
    config = ComparisonConfig(seeds=(0,), num_images=8, reference=DENSE)
    rank = recipes[COMPACTED].decoder.token_head.rank
    starts = {COMPACTED: lambda place: compacted_start(place, rank)}
    chosen = {name: recipes[name] for name in (DENSE, COMPACTED)}
    compare_recipes(chosen, tmp_path, config, lambda title: lambda done, total: None, starts=starts)
    return recipes[COMPACTED], tmp_path / "seed0"


def test_the_compacted_head_is_that_of_the_dense_run_trained_on_as_compact_says(compared):
    recipe, place = compared
    start = place / COMPACTED / "compacted"
    written = load_yaml(ExperimentConfig, start / "tuning.yaml")
    tuned = load_yaml(ExperimentConfig, place / COMPACTED / "run" / "config.yaml")
    assert replace(written, data=tuned.data, seed=0) == tuned
    assert tuned.start_from == start.resolve()
    assert replace(tuned, data=recipe.data, start_from=None, seed=recipe.seed) == recipe
    dense = RunFolder(path=place / DENSE / "run")
    compacted = RunFolder(path=start).provenance()["compacted"]
    assert compacted["weights"] == sha256_of(dense.weights_path)
    # What lies there is not made again.
    before = (start / "weights.safetensors").stat().st_mtime_ns
    assert compacted_start(place, recipe.decoder.token_head.rank) == start
    assert (start / "weights.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["mindeye1_subj01.yaml", "mindeye2_finetune_40_sessions.yaml"])
def test_the_compacted_head_leaves_a_third_of_the_published_decoders(name):
    configs = Path(__file__).parents[4] / "train" / "configs"
    decoder = load_yaml(ExperimentConfig, configs / name).decoder
    system = full_size_systems(decoder, decoder)[name.startswith("mindeye2")]
    dense, compact = (
        sum(one.numel() for one in system.with_head(HEADS[head]).parameters())
        for head in (DENSE, COMPACTED)
    )
    assert dense >= 3 * compact


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
        "rank 600 of dense": 6 * 32 * 600 * (700 + outputs),
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
        [f"{number}.000", "0.50"] for number in (1, 2, 3, 4, 5)
    ]
    plain = cost_table(system, {})
    assert {len(row) for row in plain.rows} == {len(plain.header)} == {6}
    assert plain.rows[0][3] == "1.00"
