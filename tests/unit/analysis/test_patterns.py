import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from mindeye.analysis.patterns import activation_patterns, principal_axes


def test_a_voxel_that_only_helps_to_subtract_noise_has_weight_but_no_pattern():
    """Haufe's own example: voxel 0 is signal + distractor, voxel 1 the distractor alone."""
    rng = np.random.default_rng(0)
    signal, distractor = rng.normal(size=(2, 50_000))
    betas = np.stack([signal + distractor, distractor], axis=1)
    betas += 0.1 * rng.normal(size=betas.shape)
    decoder = LinearRegression().fit(betas, signal)
    assert decoder.coef_[1] < -0.9
    decoded = decoder.predict(betas)[:, None]
    found = activation_patterns(betas, decoded)
    np.testing.assert_allclose(found.maps, [[1.0, 0.0]], atol=0.05)
    haufe = np.cov(betas.T) @ decoder.coef_ / decoded.var(ddof=1)
    np.testing.assert_allclose(found.maps[0], haufe, atol=1e-8)


def test_reliability_tells_a_pattern_from_noise():
    rng = np.random.default_rng(1)
    decoded = rng.normal(size=(400, 2))
    betas = rng.normal(size=(400, 300))
    betas += decoded[:, :1] * rng.normal(size=300)
    found = activation_patterns(betas, decoded)
    assert found.reliability[0] > 0.9
    assert abs(found.reliability[1]) < 0.2
    assert found.maps.shape == (2, 300)


def test_axes_are_those_of_principal_components_with_a_fixed_sign():
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6)) + 3
    axes = principal_axes(embeddings, 3)
    reference = PCA(3).fit(embeddings).components_
    np.testing.assert_allclose(np.abs((axes * reference).sum(1)), 1, atol=1e-9)
    assert (axes[np.arange(3), np.abs(axes).argmax(1)] > 0).all()
