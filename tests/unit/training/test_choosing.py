"""Which weights a training ends with: last, best, averaged; and when it ends."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mindeye.files import read_json, write_json
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.training import loop
from mindeye.training.choice import ChoiceConfig
from mindeye.training.choosing import WeightsChoice
from mindeye.training.loop import train

STEPS_PER_EPOCH = 3


class PowerCutError(Exception):
    """Raised where a kill would strike."""


def cut_at(step: int):
    def progress(done, total, values):
        if done == step:
            raise PowerCutError

    return progress


def same(ours: dict, theirs: dict) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.fixture
def scripted(monkeypatch):
    """Validation by a script, one value an epoch; and the weights that were validated."""
    seen = {}

    def script(*values: float, name: str = "validation_top1_subj01"):
        def told(config, decoder, material, step):
            seen[step] = {key: one.clone() for key, one in decoder.state_dict().items()}
            return {name: values[step // STEPS_PER_EPOCH]}

        monkeypatch.setattr(loop, "validation", told)
        return seen

    return script


def chosen(experiment, **choice):
    return replace(experiment, choice=ChoiceConfig(**choice))


def test_the_best_weights_are_kept_and_of_equals_the_earlier(tiny_experiment, tmp_path, scripted):
    seen = scripted(0.2, 0.5, 0.5, 0.1)
    run = train(chosen(tiny_experiment, weights="best"), tmp_path / "run")
    assert same(load_file(run.weights_path), seen[5])
    assert not same(seen[5], seen[8])
    about = run.provenance()["choice"]
    assert about["step"] == about["best_step"] == 5
    assert (about["best_measure"], about["best_value"]) == ("validation_top1", 0.5)
    assert (about["last_step"], about["ended_early"]) == (11, False)
    epochs = [line for line in run.read_log() if "best_step" in line]
    assert [line["best_step"] for line in epochs] == [2, 5, 5, 5]
    assert {line["validation_images"] for line in epochs} == {6}


def test_the_least_distance_is_the_best_where_the_low_level_alone_is_learned(
    tiny_experiment, tmp_path, scripted
):
    seen = scripted(0.9, 0.3, 0.4, 0.5, name="validation_latent_distance_subj01")
    losses = replace(tiny_experiment.losses, contrastive=0.0, prior=0.0)
    experiment = replace(tiny_experiment, losses=losses)
    run = train(chosen(experiment, weights="best"), tmp_path / "run")
    assert same(load_file(run.weights_path), seen[5])


def test_subjects_count_alike(tiny_experiment, second_prepared, tmp_path, monkeypatch):
    script = iter([(0.5, 0.5), (1.0, 0.1), (0.6, 0.45), (0.0, 0.0)])

    def told(*_):
        return dict(zip(("validation_top1_subj01", "validation_top1_subj02"), next(script)))

    monkeypatch.setattr(loop, "validation", told)
    experiment = replace(
        tiny_experiment,
        data=(*tiny_experiment.data, second_prepared),
        schedule=replace(tiny_experiment.schedule, steps_per_epoch=3),
    )
    about = train(chosen(experiment, weights="best"), tmp_path / "run").provenance()["choice"]
    assert about["best_value"] == pytest.approx(0.55)


def test_patience_ends_the_training_and_keeps_its_last_weights(tiny_experiment, tmp_path, scripted):
    seen = scripted(0.2, 0.5, 0.4, 0.9)
    run = train(chosen(tiny_experiment, patience=1), tmp_path / "run")
    assert run.read_log()[-1]["step"] == 8
    assert same(load_file(run.weights_path), seen[8])
    about = run.provenance()["choice"]
    assert (about["step"], about["best_step"], about["ended_early"]) == (8, 5, True)


@pytest.mark.parametrize("cut", [4, 9])
@pytest.mark.parametrize(
    "choice",
    [
        {"weights": "best"},
        {"patience": 2, "weights": "best"},
        {"ema_decay": 0.7},
        {"ema_decay": 0.7, "weights": "best"},
    ],
    ids=str,
)
def test_a_resumed_training_chooses_the_same_bits(tiny_experiment, tmp_path, scripted, choice, cut):
    values = (0.2, 0.5, 0.4, 0.3)
    scripted(*values)
    experiment = chosen(tiny_experiment, **choice)
    whole = train(experiment, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(experiment, tmp_path / "cut", progress=cut_at(cut))
    resumed = train(experiment, tmp_path / "cut")
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert resumed.read_log() == whole.read_log()
    assert resumed.provenance()["choice"] == whole.provenance()["choice"]


def test_the_average_follows_its_definition_and_leaves_the_training_alone(
    tiny_experiment, tmp_path, monkeypatch, uninterrupted
):
    """The witness is a sum over the weights of all steps."""
    after, validated = [], []
    plain_update, plain_validation = WeightsChoice.updated, loop.validation

    def updated(self):
        plain_update(self)
        after.append({k: v.clone() for k, v in self.state.decoder.state_dict().items()})

    def told(config, decoder, material, step):
        validated.append({k: v.clone() for k, v in decoder.state_dict().items()})
        return plain_validation(config, decoder, material, step)

    monkeypatch.setattr(WeightsChoice, "updated", updated)
    monkeypatch.setattr(loop, "validation", told)
    run = train(chosen(tiny_experiment, ema_decay=0.6), tmp_path / "run")
    name = "token_head.linear.weight"
    expected = after[0][name].double()
    for number, weights in enumerate(after[1:], start=1):
        decay = min(0.6, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weights[name].double()
    kept = load_file(run.weights_path)
    torch.testing.assert_close(kept[name].double(), expected, rtol=1e-5, atol=1e-7)
    assert same(kept, validated[-1])
    plain = load_file(uninterrupted(tiny_experiment).weights_path)
    assert same(after[-1], plain)
    assert not torch.equal(kept[name], plain[name])


def test_choosing_without_validation_images_is_refused_before_anything_is_written(
    tiny_experiment, tiny_prepared, tmp_path
):
    data = shutil.copytree(tiny_prepared, tmp_path / "prepared")
    manifest = read_json(data / "manifest.json")
    manifest["splits"]["validation"] |= {"num_images": 0}
    write_json(data / "manifest.json", manifest)
    experiment = replace(tiny_experiment, data=(data,))
    for choice in ({"weights": "best"}, {"patience": 3}):
        with pytest.raises(ValueError, match="no prepared folder has validation images"):
            train(chosen(experiment, **choice), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_choosing_where_nothing_is_validated_is_refused(tiny_experiment):
    losses = replace(tiny_experiment.losses, contrastive=0.0, prior=0.0, low_level=0.0, maps=0.1)
    low_level = PublishedLowLevelConfig(map_width=8)
    decoder = replace(tiny_experiment.decoder, low_level=low_level)
    maps_alone = {"losses": losses, "decoder": decoder, "teacher": Path("teacher")}
    with pytest.raises(ValueError, match="`choice` goes by validation, but"):
        replace(tiny_experiment, choice=ChoiceConfig(patience=1), **maps_alone)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weights": "first"}, r"`choice\.weights` is first\. Choose last or best"),
        ({"patience": 0}, r"`choice\.patience` is 0\. Choose 1 or more"),
        ({"ema_decay": 1.0}, r"`choice\.ema_decay` is 1\.0\. Choose more than 0 and less than 1"),
        ({"ema_decay": math.nan}, r"`choice\.ema_decay` is nan"),
    ],
)
def test_a_choice_out_of_range_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        ChoiceConfig(**given)


def test_a_choice_by_what_nothing_learns_is_refused(tiny_experiment, tmp_path):
    """All epochs would be equal, and the first one the best."""
    best = replace(tiny_experiment, choice=ChoiceConfig(weights="best"), start_from=tmp_path)
    replace(best, parts=("prior", "ridge"))
    with pytest.raises(ValueError, match=r"`parts` trains prior, low_level alone"):
        replace(best, parts=("prior", "low_level"))
    replace(best, parts=("prior",), choice=ChoiceConfig())
    low_level = replace(best.losses, contrastive=0.0, prior=0.0)
    replace(best, parts=("low_level",), losses=low_level)
    prior_alone = replace(best.losses, contrastive=0.0)
    replace(best, losses=prior_alone)
    with pytest.raises(ValueError, match=r"`losses\.contrastive` is 0 and the contrastive head"):
        replace(best, losses=prior_alone, start_from=None)
