"""Recipes compared on the same subject: what is paired, what is kept, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mindeye.config import load_yaml
from mindeye.metrics.statistics import paired_difference_interval
from mindeye.models.prior import PriorConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.quirks import Quirks
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks import compare_recipes as comparing
from mindeye.verbs.benchmarks.compare_recipes import (
    ComparisonConfig,
    compare_recipes,
    comparison_rows,
    markdown,
)
from mindeye.verbs.drawing.scans import ScansAsked

CONFIG = ComparisonConfig(seeds=(0, 1))
METRIC = "image retrieval top-1 of 100"


def scores() -> dict:
    rng = np.random.default_rng(0)
    return {
        (name, seed): {METRIC: rng.random(30) + shift}
        for seed in CONFIG.seeds
        for name, shift in (("ours", 0.3), ("other", 0.0))
    }


def test_differences_are_paired_over_the_images_of_all_subjects():
    given = scores()
    rows = {row.system: row for row in comparison_rows(given, CONFIG)}
    assert list(rows) == [
        *("ours, seed 0", "other, seed 0", "ours, seed 1", "other, seed 1"),
        *("ours", "other", "other minus ours"),
        *("other minus ours, seed 0", "other minus ours, seed 1"),
    ]
    ours, other = (
        np.concatenate([given[name, seed][METRIC] for seed in (0, 1)]) for name in ("ours", "other")
    )
    assert rows["ours"].value == pytest.approx(ours.mean())
    assert rows["ours"].n == 60
    assert rows["ours"].chance == 0.01
    expected = paired_difference_interval(other, ours, np.random.default_rng(0))
    found = rows["other minus ours"]
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert found.high < 0
    alone = rows["other minus ours, seed 1"]
    difference = given["other", 1][METRIC] - given["ours", 1][METRIC]
    assert (alone.value, alone.n) == (pytest.approx(difference.mean()), 30)
    # Of half the images: wider, by the root of two.
    ratio = (alone.high - alone.low) / (found.high - found.low)
    assert ratio == pytest.approx(2**0.5, rel=0.25)


def test_the_table_names_the_simulation_and_shows_every_seed():
    rows = comparison_rows(scores(), CONFIG)
    table = markdown(rows, ("ours", "other"), CONFIG).splitlines()
    assert table[0].startswith("| SIMULATED subject")
    assert table[0].endswith("| ours | other |")
    assert [line.split(" | ")[0] for line in table[2:]] == [
        f"| {METRIC}",
        "| - each seed",
        "| - minus ours, paired",
        "| - the same, seed 0",
        "| - the same, seed 1",
    ]
    assert [line.split(" | ")[1] for line in table[4:]] == ["-"] * 3
    assert all(line.count("|") == 4 for line in table)


@pytest.fixture
def recipes(tiny_experiment, networks):
    """The tiny decoder as ours and with MindEye2's prior and quirks."""
    published = replace(
        tiny_experiment,
        decoder=replace(
            tiny_experiment.decoder,
            prior=PublishedPriorConfig(depth=1, num_heads=2, head_width=8),
        ),
        quirks=Quirks(compat="mindeye2", washed_out_targets=False, aliased_resizing=False),
    )
    return {"ours": tiny_experiment, "mindeye2": published}


def test_every_recipe_is_trained_on_the_same_subject_and_scored_alike(
    recipes, tiny_prepared, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(comparing, "prepared_subject", lambda *_: tiny_prepared)

    def pictures(run, out, config, seed, progress):
        drawn.append(run.path.parent.name)
        return {"PixCorr": np.linspace(0, 1, 8) + len(drawn)}

    monkeypatch.setattr(comparing, "picture_scores_of", pictures)
    config = ComparisonConfig(seeds=(0,), num_images=8)
    watch = lambda title: lambda done, total: None  # noqa: E731
    rows = compare_recipes(recipes, tmp_path, config, watch)
    assert drawn == ["ours", "mindeye2"]
    systems = {row.system for row in rows}
    assert systems == {
        *("ours", "mindeye2", "ours, seed 0", "mindeye2, seed 0"),
        *("mindeye2 minus ours", "mindeye2 minus ours, seed 0"),
    }
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert content["simulated"]["simulated"] is True
    assert (tmp_path / "comparison.tsv").read_text().startswith("# SIMULATED")
    # A rerun trains and draws nothing again.
    again = compare_recipes(recipes, tmp_path, config, watch)
    assert [row.value for row in again] == [row.value for row in rows]
    assert drawn == ["ours", "mindeye2"]
    with pytest.raises(ValueError, match=r"made with other settings \(num_images: 7 here, 8 there"):
        compare_recipes(recipes, tmp_path, replace(config, num_images=7), watch)


def test_a_recipe_decodes_with_its_own_prior_and_quirks_but_draws_as_all_do(
    recipes, uninterrupted_run, monkeypatch, tmp_path
):
    asked = {}

    def reconstructing(path, out, settings, scans, **options):
        asked.update(settings=settings, scans=scans, **options)
        raise InterruptedError

    monkeypatch.setattr(comparing, "reconstruct_run", reconstructing)
    for name, sampler, steps, guidance, quirks in (
        ("ours", "ddim", 10, 3.0, []),
        ("mindeye2", "ddim", 20, 1.0, ["averaged_outputs=on", "late_start_ddim=on"]),
    ):
        run = uninterrupted_run(recipes[name])
        with pytest.raises(InterruptedError):
            comparing.picture_scores_of(run, tmp_path, ComparisonConfig(), 0, None)
        settings = asked["settings"]
        assert (settings.sampler, settings.prior_steps) == (sampler, steps)
        assert settings.prior_guidance == guidance
        assert (settings.strength, settings.guidance, settings.steps) == (0.7, 2.0, 8)
        assert (asked["compat"], asked["quirk_settings"]) == ("none", quirks)
        assert asked["scans"] == ScansAsked(num_images=ComparisonConfig().num_images)


@pytest.fixture
def uninterrupted_run(tmp_path):
    from mindeye.training.loop import train

    return lambda config: train(config, tmp_path / config.quirks.compat)


def test_a_reference_that_is_not_compared_is_refused(recipes, tmp_path):
    with pytest.raises(LookupError, match="`them` is to be compared with, but there are ours, "):
        compare_recipes(recipes, tmp_path, ComparisonConfig(reference="them"), print)
    assert not any(tmp_path.iterdir())


def test_the_compared_configurations_hold_what_their_names_say():
    from pathlib import Path

    folder = Path(__file__).parents[4] / "train" / "configs" / "compared"
    found = {path.stem: load_yaml(ExperimentConfig, path) for path in folder.glob("*.yaml")}
    assert found.keys() == {"mindeye1", "mindeye2_affine", "mindeye2_residual"}
    for name, config in found.items():
        assert name.startswith(config.quirks.compat)
        assert not isinstance(config.decoder.prior, PriorConfig)
    affine, residual = (found[f"mindeye2_{kind}"] for kind in ("affine", "residual"))
    backbone = residual.decoder.backbone
    assert replace(affine, decoder=replace(affine.decoder, backbone=backbone)) == residual
