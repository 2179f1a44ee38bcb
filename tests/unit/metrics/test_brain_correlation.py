import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mindeye.metrics.brain_correlation import ALPHAS, brain_correlation, train_encoding

VOXELS, FEATURES, TRAINING, TEST = 60, 12, 200, 40
REGIONS = {"seeing": np.arange(VOXELS) < 30, "silent": np.arange(VOXELS) >= 30}


@pytest.fixture(scope="module")
def brain():
    """Voxels of which the first half follow the features, and the others are noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (TRAINING + TEST, FEATURES)).astype(np.float32)
    weights = rng.normal(0, 1, (FEATURES, VOXELS)) * REGIONS["seeing"]
    betas = (features - 3) @ weights + rng.normal(0, 1, (TRAINING + TEST, VOXELS))
    return features, betas.astype(np.float32), np.arange(TRAINING + TEST) * 7


@pytest.fixture(scope="module")
def model(brain):
    features, betas, ids = brain
    return train_encoding(features[:TRAINING], betas[:TRAINING], ids[:TRAINING])


def of_test(brain):
    return tuple(part[TRAINING:] for part in brain)


def test_a_region_that_sees_is_explained_and_a_silent_one_is_not(brain, model):
    features, betas, ids = of_test(brain)
    found = brain_correlation(model, features, betas, ids, REGIONS)
    assert list(found) == ["brain correlation (seeing)", "brain correlation (silent)"]
    assert found["brain correlation (seeing)"].mean() > 0.9
    assert abs(found["brain correlation (silent)"].mean()) < 0.06
    shuffled = brain_correlation(model, np.roll(features, 1, 0), betas, ids, REGIONS)
    assert abs(shuffled["brain correlation (seeing)"].mean()) < 0.15


def test_values_are_those_of_ridge_and_corrcoef(brain, model):
    features, betas, ids = of_test(brain)
    found = brain_correlation(model, features, betas, ids, REGIONS)
    train = slice(0, TRAINING)
    centre, scale = brain[0][train].mean(0), brain[0][train].std(0)
    standard = (brain[0][train] - centre) / scale
    predicted = np.stack(
        [
            Ridge(alpha=model.alphas[voxel])
            .fit(standard, brain[1][train, voxel])
            .predict((features - centre) / scale)
            for voxel in range(VOXELS)
        ],
        axis=1,
    )
    for name, region in REGIONS.items():
        expected = [
            np.corrcoef(first[region], second[region])[0, 1]
            for first, second in zip(predicted, betas, strict=True)
        ]
        np.testing.assert_allclose(found[f"brain correlation ({name})"], expected, atol=1e-4)


def test_regularisation_is_chosen_for_each_voxel_by_what_was_left_out(brain, model, monkeypatch):
    assert np.median(model.alphas[:30]) < 0.01 * np.median(model.alphas[30:])
    monkeypatch.setattr("mindeye.metrics.brain_correlation.VOXEL_BLOCK", 7)
    blocks = train_encoding(brain[0][:TRAINING], brain[1][:TRAINING], brain[2][:TRAINING])
    np.testing.assert_allclose(blocks.weights, model.weights, atol=1e-5)


def test_the_chosen_regularisation_is_that_of_leaving_out_each_image_by_hand():
    rng = np.random.default_rng(4)
    features = rng.normal(size=(15, 3)).astype(np.float32)
    betas = (features[:, :1] * [3, 0.5, 0] + rng.normal(size=(15, 3))).astype(np.float32)
    model = train_encoding(features, betas, np.arange(15))
    standard = (features - features.mean(0)) / features.std(0)
    for voxel in range(3):
        errors = []
        for alpha in np.array(ALPHAS) * 15:
            guesses = [
                Ridge(alpha=alpha)
                .fit(np.delete(standard, left, 0), np.delete(betas[:, voxel], left))
                .predict(standard[[left]])[0]
                for left in range(15)
            ]
            errors.append(((guesses - betas[:, voxel]) ** 2).sum())
        assert model.alphas[voxel] == pytest.approx(ALPHAS[int(np.argmin(errors))] * 15)
    assert len(set(model.alphas)) > 1


def test_an_image_that_the_model_was_trained_on_is_refused_by_its_id(brain, model):
    features, betas, ids = of_test(brain)
    ids = ids.copy()
    ids[3] = 14
    with pytest.raises(ValueError, match=r"trained on 1 of these images, first \[14\]"):
        brain_correlation(model, features, betas, ids, REGIONS)


def test_what_does_not_belong_together_is_refused(brain, model):
    features, betas, ids = of_test(brain)
    with pytest.raises(ValueError, match="39 betas and 40 image ids do not belong together"):
        brain_correlation(model, features, betas[:-1], ids, REGIONS)
    with pytest.raises(ValueError, match="Region spot has 1 voxels"):
        brain_correlation(model, features, betas, ids, {"spot": np.arange(VOXELS) == 4})
    with pytest.raises(ValueError, match="An image id stands twice"):
        train_encoding(features, betas, np.zeros(TEST, dtype=int))
    flat = betas.copy()
    flat[5, :30] = 1
    with pytest.raises(ValueError, match=r"1 of 40 measured patterns of seeing .*\[5\]"):
        brain_correlation(model, features, flat, ids, REGIONS)
    flat[5, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"1 of 40 rows of measured betas .*\[5\]"):
        brain_correlation(model, features, flat, ids, REGIONS)
