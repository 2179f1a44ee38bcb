"""The shipped configurations load, and the demo's is the one that users can copy."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.config import from_mapping, load_yaml
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.training.plan import plan_of
from mindeye.verbs.demonstration.demo import demo_experiment

CONFIGS = Path(__file__).parents[3] / "train" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_a_shipped_configuration_loads(path):
    assert load_yaml(ExperimentConfig, path).data


def test_the_simulated_configuration_is_the_demos():
    ours = load_yaml(ExperimentConfig, CONFIGS / "simulated.yaml")
    assert ours == demo_experiment(Path("prepared"), seed=0)
    assert ours != replace(ours, seed=1)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("decoder.backbone.width", 0, "1 or more"),
        ("decoder.backbone.num_blocks", -1, "0 or more"),
        ("decoder.backbone.block_dropout", 1.5, "from 0 to 1"),
        ("decoder.contrastive_width", 0, "1 or more"),
        ("decoder.token_head.rank", 0, "1 or more"),
        ("decoder.token_head.code_width", 0, "1 or more"),
        ("decoder.token_head.window", 0, "1 or more"),
        ("decoder.prior.head_width", 0, "1 or more"),
        ("decoder.prior.depth", 0, "1 or more"),
        ("decoder.prior.train_times", 0, "1 or more"),
        ("decoder.prior.drop_condition", -0.1, "from 0 to 1"),
        ("decoder.low_level.base_side", 0, "1 or more"),
        ("decoder.low_level.dropout", float("nan"), "from 0 to 1"),
        ("decoder.prior", {"num_heads": 2, "head_width": 7}, "an even number"),
        ("decoder.prior", {"num_heads": 2, "scale": 0.0}, "more than 0, or null"),
        ("decoder.prior", {"num_heads": 2, "mlp_ratio": 0}, "1 or more"),
        ("decoder.low_level", {"block_channels": []}, "one or more, none below 1"),
        ("decoder.low_level", {"block_channels": [32], "map_width": 0}, "1 or more, or null"),
        ("decoder.low_level", {"path": {"width": 0}}, "1 or more"),
        ("decoder.low_level", {"path": {"block_dropout": 3.0}}, "from 0 to 1"),
        ("losses.prior", -1.0, "0 or more"),
        ("losses.mixco_share", 1.1, "from 0 to 1"),
        ("losses.mixco_temperature", 0.0, "more than 0"),
        ("losses.prior_trials", 0, "1 or more"),
        ("losses.soft_temperatures", (0.0, 0.1), "two, both more than 0"),
        ("schedule.warmup", 2.0, "from 0 to 1"),
        ("schedule.weight_decay", -0.1, "0 or more"),
        ("schedule.ridge_decay", -0.1, "0 or more"),
        ("schedule.mean_of_repeats", 3.0, "from 0 to 1"),
        ("seed", -1, "from 0 to 9223372036854775807"),
        ("seed", 2**63, "from 0 to 9223372036854775807"),
        ("augmented_views", 0, "1 or more, or null"),
        ("view_seed", -1, "from 0 to 9223372036854775807"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key(key, value, wanted):
    values = value
    for part in reversed(key.split(".")):
        values = {part: values}
    with pytest.raises(ValueError, match=rf"^x\.yaml: `{key}\S*` is .*\. Choose {wanted}\.$"):
        from_mapping(ExperimentConfig, {"data": ["x"], **values}, "x.yaml")


ONLY_LOW_LEVEL = {"contrastive": 0.0, "prior": 0.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"parts": []}, r"`parts` is \[\]\. Choose one or more, or null"),
        ({"decoder": {"low_level": None}, "losses": ONLY_LOW_LEVEL}, "no low-level head learns"),
        ({"losses": {**ONLY_LOW_LEVEL, "low_level": 0.0}}, "no low-level head learns"),
        ({"losses": ONLY_LOW_LEVEL, "parts": ["prior"]}, "Choose from ridge, backbone, low_level"),
        (
            {
                "losses": ONLY_LOW_LEVEL,
                "parts": ["ridge"],
                "decoder": {"low_level": {"map_width": None, "path": {"width": 8}}},
            },
            "Choose from low_level_path, low_level",
        ),
    ],
)
def test_losses_that_reach_nothing_of_what_is_trained_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        from_mapping(ExperimentConfig, {"data": ["x"], "start_from": "run", **values}, "x.yaml")


def test_losses_that_reach_some_of_what_is_trained_are_taken():
    for parts in (None, ["low_level", "prior"], ["ridge"]):
        values = {"data": ["x"], "losses": ONLY_LOW_LEVEL, "parts": parts, "start_from": "run"}
        assert from_mapping(ExperimentConfig, values, "x.yaml").losses.contrastive == 0


def with_heads(experiment, head_width):
    prior = replace(experiment.decoder.prior, head_width=head_width)
    return replace(experiment, decoder=replace(experiment.decoder, prior=prior))


def with_smallest_side(experiment, base_side):
    low_level = replace(experiment.decoder.low_level, base_side=base_side)
    return replace(experiment, decoder=replace(experiment.decoder, low_level=low_level))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda one: with_heads(one, 6),
            "`decoder.prior.head_width` is 6, but the CLIP's tokens are 16 wide. "
            "Choose a divisor of 16: 8, 16.",
        ),
        (lambda one: with_smallest_side(one, 3), "Latents of 8 x 8 cannot be reached by doubling"),
        (lambda one: replace(one, data=()), "`data` names no prepared folder"),
        (lambda one: replace(one, data=one.data * 2), "are both of subject 1"),
    ],
)
def test_what_does_not_fit_data_and_networks_is_refused_before_anything_is_written(
    change, message, tiny_experiment, tmp_path
):
    config = change(tiny_experiment)
    for run in (plan_of, lambda config: train(config, tmp_path / "run")):
        with pytest.raises(ValueError, match=re.escape(message)):
            run(config)
    assert not (tmp_path / "run").exists()
