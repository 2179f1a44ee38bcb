import dataclasses

import numpy as np
import pytest

from mindeye.simulate.anatomy import AREAS, make_anatomy
from mindeye.simulate.components import principal_loadings, principal_scores, standardised
from mindeye.simulate.low_level import ENERGY_CHANNELS, MAP_SIDE, low_level_maps
from mindeye.simulate.meaning import category_axes, meaning_of
from mindeye.simulate.noise_ceiling import estimate_ncsnr
from mindeye.simulate.presets import PRESETS, SimulationConfig, SimulationRequest, preset_of
from mindeye.simulate.random_streams import stream_of
from mindeye.simulate.receptive_fields import make_receptive_fields
from mindeye.simulate.scenes import scene_of
from mindeye.simulate.subject import make_subject, session_betas
from mindeye.simulate.trial_noise import smooth_noise, voxel_noise

NUM_IMAGES, NUM_SESSIONS = 1000, 4


@pytest.fixture(scope="module")
def anatomy():
    return make_anatomy((12, 14, 12), 320, np.random.default_rng(0))


@pytest.fixture(scope="module")
def scenes():
    return [scene_of(0, image_id) for image_id in range(NUM_IMAGES)]


@pytest.fixture(scope="module")
def look(anatomy):
    mixing = np.random.default_rng(1).normal(size=(40, int(anatomy.is_visual.sum())))
    return standardised(np.random.default_rng(2).normal(size=(NUM_IMAGES, 40)) @ mixing)


def request_of(**changes):
    config = dataclasses.replace(PRESETS["tiny"], sessions=NUM_SESSIONS, **changes)
    return SimulationRequest(config=config, subject=1, seed=5)


def subject_of(anatomy, look, scenes, **changes):
    request = request_of(**changes)
    return make_subject(anatomy, look, meaning_of(scenes), category_axes(scenes), request), request


def experiment(subject, request):
    """Every image three times over four sessions."""
    rows = np.random.default_rng(3).permutation(np.repeat(np.arange(NUM_IMAGES), 3))
    betas = []
    for index, session_rows in enumerate(rows.reshape(NUM_SESSIONS, 750)):
        noise = voxel_noise(
            subject.anatomy.brain, 750, request.config, request.stream("noise", index)
        )
        latent = request.stream("latent", index).normal(size=(750, len(subject.jitter)))
        betas.append(session_betas(subject, session_rows, noise, latent.astype(np.float32)))
    return rows, np.concatenate(betas)


def test_planted_ncsnr_is_what_nsds_formula_finds(anatomy, look, scenes):
    subject, request = subject_of(anatomy, look, scenes)
    rows, betas = experiment(subject, request)
    found = estimate_ncsnr(betas, rows)
    visual = anatomy.is_visual
    assert np.corrcoef(found[visual], subject.ncsnr[visual])[0, 1] > 0.95
    slope = np.polyfit(subject.ncsnr[visual], found[visual], 1)[0]
    assert 0.9 < slope < 1.1
    np.testing.assert_allclose(betas.std(0).mean(), 1, atol=0.05)


def test_a_subject_without_signal_has_ncsnr_of_exactly_zero_and_no_trace_of_images(
    anatomy, look, scenes
):
    subject, request = subject_of(anatomy, look, scenes, noise_ceiling_scale=0.0)
    assert (subject.ncsnr == 0).all()
    rows, betas = experiment(subject, request)
    means = np.stack([betas[rows == row].mean(0) for row in range(NUM_IMAGES)])
    features = principal_scores(meaning_of(scenes), 5)
    correlation = standardised(features).T @ standardised(means) / NUM_IMAGES
    assert abs(correlation.std() - NUM_IMAGES**-0.5) < 0.1 * NUM_IMAGES**-0.5


def test_signal_has_unit_variance_in_cortex_and_none_outside(anatomy, look, scenes):
    subject, _ = subject_of(anatomy, look, scenes)
    cortex = anatomy.areas >= 0
    np.testing.assert_allclose(subject.signal[:, cortex].std(0), 1, atol=1e-3)
    assert (subject.signal[:, ~cortex] == 0).all()
    assert (subject.ncsnr[~cortex] == 0).all()


def test_latent_noise_never_takes_more_than_its_cap(anatomy, look, scenes):
    subject, request = subject_of(anatomy, look, scenes, latent_noise=50.0)
    share = (subject.jitter**2).sum(0) * subject.ncsnr**2
    assert share.max() <= request.config.latent_cap * (1 + 1e-5)
    assert share.max() > 0.9 * request.config.latent_cap


def test_early_voxels_follow_look_and_higher_ones_meaning(anatomy, look, scenes):
    subject, _ = subject_of(anatomy, look, scenes)
    features = principal_scores(meaning_of(scenes), 32)
    predicted = features @ np.linalg.lstsq(features, subject.signal, rcond=None)[0]
    explained = predicted.var(0)
    early = anatomy.is_area("V1", "V2", "V3") & anatomy.is_visual
    higher = anatomy.is_area("ventral", "lateral", "parietal") & anatomy.is_visual
    assert explained[higher].mean() > 2 * explained[early].mean()


def test_the_grid_decides_areas_and_nsdgeneral_has_the_voxels_asked_for(anatomy):
    assert anatomy.is_visual.sum() == 320
    for name in AREAS[:-1]:
        assert (anatomy.is_area(name) & anatomy.is_visual).any(), name
    for labels in anatomy.labels.values():
        assert (labels[anatomy.areas < 0] == -1).all()
        assert (labels[anatomy.areas >= 0] >= 0).all()
    left_v1 = anatomy.is_area("V1") & (anatomy.hemisphere == 0)
    assert (anatomy.prf_x[left_v1] > 0).mean() > 0.8
    ventral = np.isin(anatomy.labels["prf-visualrois"], [1, 3, 5])
    assert (anatomy.prf_y[ventral] > 0).mean() > 0.8
    with pytest.raises(ValueError, match="too few for 4000"):
        make_anatomy((12, 14, 12), 4000, np.random.default_rng(0))


def grating(orientation, side):
    rows, columns = np.mgrid[:side, :side] / side * 8.4
    phase = 2 * np.pi * 1.2 * (columns if orientation == "vertical" else rows)
    return np.repeat((127 + 100 * np.sin(phase)).astype(np.uint8)[..., None], 3, axis=-1)


def test_gabor_energy_tells_orientations_apart_at_any_picture_size():
    for side in (64, 96):
        pictures = np.stack([grating("vertical", side), grating("horizontal", side)])
        maps = low_level_maps(pictures)
        assert maps.shape == (2, ENERGY_CHANNELS + 3, MAP_SIDE**2)
        energy = maps[:, :ENERGY_CHANNELS].mean(-1).reshape(2, 3, 4)
        assert energy[0, 1].argmax() == 0
        assert energy[1, 1].argmax() == 2
    with pytest.raises(ValueError, match="32 pixels"):
        low_level_maps(np.zeros((1, 32, 32, 3), np.uint8))


def test_receptive_fields_see_only_their_part_of_the_picture(anatomy):
    fields = make_receptive_fields(anatomy, np.random.default_rng(0))
    right = np.full((2, 64, 64, 3), 127, np.uint8)
    right[1, :, 32:] = np.random.default_rng(0).integers(0, 255, (64, 32, 3))
    energy, _ = fields.respond(right)
    visual = anatomy.is_visual
    v1 = anatomy.is_area("V1")[visual] & (np.abs(anatomy.prf_x[visual]) > 1)
    change = np.abs(energy[1] - energy[0])
    left_hemisphere = anatomy.hemisphere[visual] == 0
    assert change[v1 & left_hemisphere].mean() > 2.5 * change[v1 & ~left_hemisphere].mean()


def test_meaning_depends_on_what_is_shown_and_not_on_the_image_id(scenes):
    twin = dataclasses.replace(scenes[0], image_id=10**6, seed=9)
    first, same, other = meaning_of([scenes[0], twin, scenes[1]])
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01


def test_voxel_noise_has_unit_variance_and_neighbours_share_it(anatomy):
    config = preset_of("tiny")
    noise = voxel_noise(anatomy.brain, 2000, config, np.random.default_rng(0))
    np.testing.assert_allclose(noise.std(0).mean(), 1, atol=0.02)
    lag = (noise[1:] * noise[:-1]).mean()
    assert abs(lag - config.autocorrelation) < 0.02
    smooth = smooth_noise(anatomy.brain, 2000, config.smooth_fwhm, np.random.default_rng(0))
    where = np.argwhere(anatomy.brain)
    next_to = np.flatnonzero((np.diff(where, axis=0) == [0, 0, 1]).all(1))
    assert (smooth[:, next_to] * smooth[:, next_to + 1]).mean() > 0.5
    assert abs((smooth[:, 0] * smooth[:, -1]).mean()) < 0.1


def test_loadings_of_all_components_rebuild_the_covariance():
    features = np.random.default_rng(0).normal(size=(50, 6)) @ np.diag([3, 2, 1, 1, 1, 0.5])
    loadings = principal_loadings(features, 6)
    np.testing.assert_allclose(loadings.T @ loadings, np.cov(features.T, ddof=0), atol=1e-5)
    scores = principal_scores(features, 3)
    np.testing.assert_allclose(scores.T @ scores / 50, np.eye(3), atol=1e-9)


def test_random_streams_differ_by_purpose_and_repeat_by_seed():
    draws = [stream_of(1, "a").random(), stream_of(1, "b").random(), stream_of(2, "a").random()]
    assert len(set(draws)) == 3
    assert stream_of(1, "a").random() == draws[0]


def test_ncsnr_needs_images_shown_three_times():
    with pytest.raises(ValueError, match="None of 750 images"):
        estimate_ncsnr(np.ones((750, 2)), np.arange(750))


def test_unknown_presets_and_impossible_settings_are_refused():
    with pytest.raises(LookupError, match=r"`nsdlike`.*nsd-like, hard, tiny, no-signal"):
        preset_of("nsdlike")
    with pytest.raises(ValueError, match="41 sessions"):
        SimulationConfig(name="long", sessions=41)
    with pytest.raises(LookupError, match="compact or nsd"):
        SimulationConfig(name="odd", placement="random")
    with pytest.raises(LookupError, match="b4"):
        SimulationConfig(name="odd", beta_versions=("b4",))
