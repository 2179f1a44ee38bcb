"""Principal components of features over images."""

import numpy as np
import scipy.linalg
from jaxtyping import Float


def standardised(values: np.ndarray) -> np.ndarray:
    """Columns without variance become zero."""
    deviation = values.std(0)
    return np.where(deviation > 1e-7, (values - values.mean(0)) / np.maximum(deviation, 1e-7), 0)


def principal_scores(
    features: Float[np.ndarray, "images features"], components: int
) -> Float[np.ndarray, "images components"]:
    """Standardised principal components, largest first."""
    centred = features - features.mean(0)
    left, _, _ = np.linalg.svd(centred, full_matrices=False)
    return standardised(left[:, :components])


def principal_loadings(
    features: Float[np.ndarray, "images features"], components: int
) -> Float[np.ndarray, "components features"]:
    """What a standard deviation of each principal component adds to the features."""
    centred = features - features.mean(0)
    size = features.shape[1]
    kept = min(components, size)
    values, vectors = scipy.linalg.eigh(
        centred.T @ centred / len(features), subset_by_index=(size - kept, size - 1)
    )
    loadings = np.zeros((components, size), dtype=np.float32)
    loadings[:kept] = (vectors * np.sqrt(np.maximum(values, 0))).T[::-1]
    return loadings
