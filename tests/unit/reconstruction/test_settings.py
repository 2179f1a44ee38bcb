import math

import pytest

from mindeye.config import from_mapping, to_mapping
from mindeye.models.samplers import SAMPLERS
from mindeye.quirks import PUBLISHED, SWITCHES
from mindeye.reconstruction.settings import (
    DRAWING_QUIRKS,
    ReconstructionConfig,
    published_settings,
    steps_to_skip,
)


def test_the_published_img2img_runs_17_of_20_steps():
    assert steps_to_skip(20, 0.85) == 3


@pytest.mark.parametrize(
    ("steps", "strength", "skipped"), [(20, 1, 0), (10, 0.5, 5), (10, 0.01, 9), (1, 0.3, 0)]
)
def test_at_least_one_step_is_run_and_at_full_strength_all(steps, strength, skipped):
    assert steps_to_skip(steps, strength) == skipped


@pytest.mark.parametrize("strength", [0, -0.5, 1.01])
def test_a_strength_outside_is_refused(strength):
    with pytest.raises(ValueError, match=rf"strength is {strength}; it must lie in \(0, 1\]"):
        steps_to_skip(20, strength)


def test_ours_are_the_defaults():
    assert published_settings("none") == ReconstructionConfig()


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        # candidates, generator steps, sampler, prior steps and guidance, guidance, strength
        ("mindeye1", (16, 20, "ddpm", 100, 1, 3.5, 0.85)),
        ("mindeye2", (1, 38, "ddim", 20, 1, 5, 1)),
    ],
)
def test_published_settings_are_those_of_the_released_scripts(system, expected):
    one = published_settings(system)
    drawing = (one.candidates, one.steps, one.sampler, one.prior_steps)
    assert (*drawing, one.prior_guidance, one.guidance, one.strength) == expected
    assert one.quirks == ()


def test_every_system_has_settings_with_a_sampler_that_exists():
    assert {published_settings(system).sampler for system in PUBLISHED} <= SAMPLERS.keys()
    with pytest.raises(LookupError, match="Unknown compat `mindeye3`"):
        published_settings("mindeye3")


def test_only_switches_that_change_pictures_are_taken():
    assert set(DRAWING_QUIRKS) <= set(SWITCHES)
    with pytest.raises(ValueError, match="`lost_labels` is no quirk of a reconstruction"):
        ReconstructionConfig(quirks=("lost_labels",))


def test_a_saved_configuration_comes_back():
    config = ReconstructionConfig(quirks=("shifted_range", "averaged_outputs"), sampler="unipc")
    assert from_mapping(ReconstructionConfig, to_mapping(config), "manifest.json") == config


@pytest.mark.parametrize("name", ["guidance", "prior_guidance"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_guidance_that_makes_no_number_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} is -?(nan|inf)\. Choose a finite number"):
        ReconstructionConfig(**{name: value})
