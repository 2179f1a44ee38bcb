"""The closed-form start of a new subject's ridge layer, beside its definition."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from mindeye.data.batches import PreparedSubject
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.saved import load_decoder
from mindeye.training import ridge_start, token_likeness
from mindeye.training.augmentation import AugmentationConfig
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.plan import plan_of
from mindeye.training.ridge_baseline import fitted_ridge
from mindeye.training.ridge_start import closed_form_ridges, mean_scans
from mindeye.training.subjects import Material, open_subject
from mindeye.training.token_likeness import Pictures, component_scores


@pytest.fixture
def adding(tiny_experiment, second_prepared, uninterrupted):
    """Subject 2, whose ridge begins where subject 1's latents say."""
    return replace(
        tiny_experiment,
        data=(second_prepared,),
        start_from=uninterrupted(tiny_experiment).path,
        ridge_start="closed-form",
    )


@pytest.fixture
def material(adding):
    networks = open_networks(adding)
    subject = open_subject(PreparedSubject(adding.data[0]), networks)
    return Material(subjects={2: subject}, networks=networks)


@pytest.mark.parametrize("values_in_memory", [100, 1 << 24])
def test_scores_are_those_of_principal_components(subject, monkeypatch, values_in_memory):
    monkeypatch.setattr(token_likeness, "VALUES_IN_MEMORY", values_in_memory)
    ids = subject.train.image_ids
    known, new = Pictures(subject.targets, ids[:16]), Pictures(subject.targets, ids[16:])
    ours = component_scores([known], [new], 5)
    tokens = [subject.targets.tokens(one.image_ids).flatten(1).double() for one in (known, new)]
    pca = PCA(n_components=5, svd_solver="full").fit(tokens[0])
    for scores, values in zip(ours, tokens, strict=True):
        theirs = pca.transform(values)
        signs = np.sign((pca.transform(tokens[0]) * ours[0]).sum(0))
        np.testing.assert_allclose(scores * signs, theirs, atol=2e-4)


def test_components_without_variance_are_left_out(subject):
    ids = subject.train.image_ids[[0, 0, 1, 1, 2]]
    known, new = component_scores([Pictures(subject.targets, ids)], [], 50)
    assert known.shape == (5, 2)
    assert new.shape == (0, 2)


def test_a_ridge_is_the_regression_to_the_latents_of_what_was_seen(
    adding, material, uninterrupted, tiny_experiment
):
    """Beside scikit-learn's own steps, one after the other, with the penalties that were chosen."""
    found = closed_form_ridges(adding, material, {})
    decoder = load_decoder(adding.start_from)
    subject = material.subjects[2]
    ids = subject.train.image_ids
    scans = mean_scans(subject.train, torch.arange(len(ids)))
    latents = decoder.ridge(scans, 1).numpy()  # the same scans and pictures, as subject 1's
    tokens = subject.targets.tokens(ids).flatten(1).double().numpy()
    scores = PCA(svd_solver="full").fit_transform(tokens)[:, :-1]
    length = np.square(scores).sum(1).mean()
    first = fitted_ridge(scores, latents, [length * one for one in ridge_start.PENALTIES])
    wanted = Ridge(alpha=first.alpha).fit(scores, latents).predict(scores)
    second = fitted_ridge(scans.numpy(), wanted.astype(np.float32))
    predicted = scans @ found["ridge.layers.2.weight"].T + found["ridge.layers.2.bias"]
    np.testing.assert_allclose(predicted, second.predict(scans.numpy()), atol=2e-3)
    # What it rests on: these scans do carry what the latents say.
    assert np.corrcoef(predicted.ravel(), latents.ravel())[0, 1] > 0.5


def test_of_known_subjects_nothing_is_embedded_but_what_is_asked_of_them(adding, material):
    """Neither augmented views nor a teacher's maps: of a whole subject they take hours."""
    (known,) = ridge_start.known_scans(adding.start_from)
    names = {path.name for path in (known.path / "targets").iterdir()}
    augmented = replace(material.networks, augmentation=AugmentationConfig(), num_views=2)
    ridge_start.known_latents(adding.start_from, replace(material, networks=augmented))
    assert {path.name for path in (known.path / "targets").iterdir()} == names


def test_it_tells_images_apart_before_the_first_step(adding, material, tiny_experiment, tmp_path):
    """Where nearly nothing is trained, a random ridge wins half of the pairs and this one more."""
    long = replace(tiny_experiment.schedule, num_epochs=60, save_every_s=60.0)
    start = train(replace(tiny_experiment, schedule=long, seed=12), tmp_path / "start").path
    schedule = replace(adding.schedule, num_epochs=1, learning_rate=1e-12, weight_decay=0.0)
    scans = material.subjects[2].train
    ids = scans.image_ids
    images = embedding_of(material.subjects[2].targets.tokens(ids))
    won = {}
    for name in ("random", "closed-form"):
        config = replace(adding, schedule=schedule, ridge_start=name, start_from=start)
        decoder = load_decoder(train(config, tmp_path / name).path)
        alike = decoder(mean_scans(scans, torch.arange(len(ids))), 2).embeddings @ images.T
        won[name] = (alike < alike.diagonal().unsqueeze(1)).float().mean().item()
    assert abs(won["random"] - 0.5) < 0.2
    assert won["closed-form"] > 0.75


def test_without_a_start_all_subjects_aim_at_the_same_turned_components(
    tiny_experiment, tiny_prepared, second_prepared, tmp_path
):
    networks = open_networks(tiny_experiment)
    both = [
        open_subject(PreparedSubject(place), networks) for place in (tiny_prepared, second_prepared)
    ]
    material = Material(subjects={one.number: one for one in both}, networks=networks)
    config = replace(tiny_experiment, ridge_start="closed-form")
    found = closed_form_ridges(config, material, {})
    # The scans of both are the same, so the layers are; and what they make has torch's spread.
    for part in ("weight", "bias"):
        torch.testing.assert_close(found[f"ridge.layers.1.{part}"], found[f"ridge.layers.2.{part}"])
    scans = mean_scans(both[0].train, torch.arange(24))
    latents = scans @ found["ridge.layers.1.weight"].T + found["ridge.layers.1.bias"]
    assert latents.std(0, correction=0).mean().item() == pytest.approx(3**-0.5, rel=1e-4)
    # Turned back, they are the regression to the components alone, up to that one factor.
    tokens = both[0].targets.tokens(both[0].train.image_ids).flatten(1).double().numpy()
    scores = PCA(svd_solver="full").fit_transform(tokens)[:, :-1]
    predicted = fitted_ridge(scans.numpy(), scores).predict(scans.numpy())
    ours = torch.cdist(latents, latents).ravel().numpy()
    theirs = torch.cdist(*2 * [torch.from_numpy(predicted)]).ravel().numpy()
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    other = closed_form_ridges(replace(config, seed=4), material, {})
    assert not torch.allclose(other["ridge.layers.1.weight"], found["ridge.layers.1.weight"])
    run = train(replace(config, data=(tiny_prepared, second_prepared)), tmp_path / "run")
    begun = load_file(run.path / "ridge_start.safetensors")
    assert all(torch.equal(begun[name], value) for name, value in found.items())


def test_all_known_subjects_tell_and_all_new_ones_are_told(
    tiny_experiment, tiny_prepared, second_prepared, adding, material, tmp_path, monkeypatch
):
    monkeypatch.setattr(ridge_start, "NUM_KNOWN_IMAGES", 20)
    plain, asked = ridge_start.component_scores, []

    def recording(known, new, num_components):
        asked.append([len(one.image_ids) for one in known])
        return plain(known, new, num_components)

    monkeypatch.setattr(ridge_start, "component_scores", recording)
    both = replace(tiny_experiment, data=(tiny_prepared, second_prepared), seed=6)
    start = train(both, tmp_path / "both").path
    news = {7: material.subjects[2], 8: material.subjects[2]}
    config = replace(adding, start_from=start)
    found = closed_form_ridges(config, replace(material, subjects=news), {})
    assert found.keys() == {
        f"ridge.layers.{n}.{part}" for n in (7, 8) for part in ("weight", "bias")
    }
    assert asked == [[10, 10], [10, 10]]
    # A subject whom the start gives a layer keeps that one.
    given = {"ridge.layers.7.weight": torch.zeros(1)}
    kept = closed_form_ridges(config, replace(material, subjects=news), given)
    assert {name.split(".")[2] for name in kept} == {"8"}


def test_it_is_solved_once_and_a_resumed_training_needs_no_other_scans(
    adding, tiny_prepared, uninterrupted, tiny_experiment, tmp_path
):
    place = shutil.copytree(tiny_prepared, tmp_path / "prepared")
    start = train(replace(tiny_experiment, data=(place,)), tmp_path / "start").path
    config = replace(adding, start_from=start)
    whole = train(config, tmp_path / "whole")

    class PowerCutError(Exception):
        """Raised where a kill would strike."""

    def cut(done, total, values):
        if done == 5:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        train(config, tmp_path / "cut", progress=cut)
    shutil.rmtree(place)
    resumed = train(config, tmp_path / "cut")
    ours, theirs = load_file(resumed.weights_path), load_file(whole.weights_path)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_start_that_cannot_be_made_is_refused_before_anything_is_written(
    adding, tiny_experiment, tiny_prepared, tmp_path
):
    with pytest.raises(ValueError, match=r"`ridge_start` is closed. Choose random or closed-form"):
        replace(adding, ridge_start="closed")
    with pytest.raises(ValueError, match="has ridge layers of all subjects of `data`"):
        plan_of(replace(adding, data=(tiny_prepared,)))
    place = shutil.copytree(tiny_prepared, tmp_path / "prepared")
    start = train(replace(tiny_experiment, data=(place,)), tmp_path / "start").path
    shutil.rmtree(place)
    with pytest.raises(ValueError, match=r"but .*prepared does not hold them any more"):
        train(replace(adding, start_from=start), tmp_path / "run")
    assert not (tmp_path / "run").exists()
