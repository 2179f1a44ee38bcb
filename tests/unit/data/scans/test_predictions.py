import numpy as np

from mindeye.data.scans.predictions import check_predictions
from mindeye.data.scans.results import CHECKS


def test_predictions_that_are_one_picture_or_not_finite_fail_and_others_pass():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(20, 16))
    same = np.tile(rng.normal(size=16), (20, 1)) + 1e-4 * null
    assert check_predictions(same, null).status == "failed"
    assert "decoded as one picture" in check_predictions(same, null).advice
    broken = null.copy()
    broken[3, 2] = np.nan
    assert "predictions of 1 of 20 trials are not finite" in check_predictions(broken, null).seen
    passed = check_predictions(null, rng.normal(size=(20, 16)))
    assert passed.status == "passed"
    assert "Compare the pictures with the null's" in passed.advice
    assert passed.name == CHECKS[11]


def test_repeats_must_be_more_alike_than_different_images():
    rng = np.random.default_rng(1)
    images = np.repeat(np.arange(10), 3)
    embeddings = rng.normal(size=(10, 32))[images] + 0.5 * rng.normal(size=(30, 32))
    null = rng.normal(size=(30, 32))
    assert check_predictions(embeddings, null, images.tolist()).status == "passed"
    # A table that belongs to another scan: trials of "one image" are those that differ most.
    turned = np.concatenate([embeddings, -embeddings])
    failed = check_predictions(turned, np.tile(null, (2, 1)), [*range(30), *range(30)])
    assert failed.status == "failed"
    assert "does the table belong to this scan" in failed.advice
