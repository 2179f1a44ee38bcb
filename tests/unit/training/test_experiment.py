"""The shipped configurations load, and the demo's is the one that users can copy."""

from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.config import load_yaml
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.demo import demo_experiment

CONFIGS = Path(__file__).parents[3] / "train" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_a_shipped_configuration_loads(path):
    assert load_yaml(ExperimentConfig, path).data


def test_the_simulated_configuration_is_the_demos():
    ours = load_yaml(ExperimentConfig, CONFIGS / "simulated.yaml")
    assert ours == demo_experiment(Path("prepared"), seed=0)
    assert ours != replace(ours, seed=1)
