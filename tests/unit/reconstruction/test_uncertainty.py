"""Trust in pictures: monotone, as measured on validation images, and nothing else."""

import json

import numpy as np
import pytest

from mindeye.reconstruction.uncertainty import (
    calibration_of_record,
    calibration_record,
    doubts_of,
    fitted_calibration,
)


def measured(count: int = 200, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Doubts of which the spread tells something, and the wins that go with them."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0, 1, count)
    two_way = np.clip(1 - 0.5 * spread + rng.normal(0, 0.1, count), 0, 1)
    return {"spread": spread, "distance_from_scan": rng.uniform(0.4, 0.6, count)}, two_way


def calibrated(trust: float = 0.8, **given):
    doubts, two_way = measured(**given)
    return fitted_calibration(doubts, two_way, 1 - two_way, trust=trust), doubts, two_way


def test_more_doubt_never_promises_more():
    found, doubts, _ = calibrated()
    assert found.measure == "spread"
    line = np.linspace(-1, 2, 500)
    assert (np.diff(found.two_way(line)) <= 0).all()
    assert (np.diff(found.clip_distance(line)) >= 0).all()
    assert found.two_way(np.array([-1.0])) == found.two_way.values[0]
    assert (found.two_way(doubts["spread"]) <= 1).all()


def test_what_is_expected_is_what_comes_on_other_images():
    found, _, _ = calibrated(count=500)
    doubts, two_way = measured(count=4000, seed=1)
    expected = found.two_way(doubts["spread"])
    for low, high in ((0.5, 0.65), (0.65, 0.8), (0.8, 1.0)):
        kind = (expected >= low) & (expected < high)
        assert two_way[kind].mean() == pytest.approx(expected[kind].mean(), abs=0.02)


def test_the_least_squares_of_all_falling_tables_is_found():
    """Against the definition: the mean of the block between which the order is broken."""
    doubts = {"spread": np.arange(40.0), "distance_from_scan": np.zeros(40)}
    two_way = np.repeat([0.9, 0.7, 0.8, 0.2], 10)
    found = fitted_calibration(doubts, two_way, 1 - two_way, trust=0.5)
    np.testing.assert_allclose(found.two_way(np.array([5.0, 15, 25, 35])), [0.9, 0.75, 0.75, 0.2])


def test_marks_stand_where_less_is_expected_than_asked_for():
    found, doubts, two_way = calibrated(trust=0.7)
    trusted = found.is_trusted(doubts["spread"])
    np.testing.assert_array_equal(trusted, found.two_way(doubts["spread"]) >= 0.7)
    assert found.marked == (~trusted).sum() > 0
    assert found.two_way_of_marked == pytest.approx(two_way[~trusted].mean())
    assert found.two_way_of_marked < 0.7 < found.two_way_of_others
    assert "calibrated on 200 validation images" in found.sentence
    assert f"the {found.marked} validation images so marked reached" in found.sentence
    assert "no validation image was" in calibrated(trust=0.0)[0].sentence


def test_the_measure_that_ranks_best_is_taken():
    doubts, two_way = measured()
    swapped = {"spread": doubts["distance_from_scan"], "distance_from_scan": doubts["spread"]}
    assert fitted_calibration(swapped, two_way, 1 - two_way).measure == "distance_from_scan"


def test_a_calibration_is_kept_as_plain_json():
    found, _, _ = calibrated()
    assert calibration_of_record(json.loads(json.dumps(calibration_record(found)))) == found


def test_doubts_rise_as_scores_fall():
    doubts = doubts_of(np.array([0.9, 0.2], dtype=np.float32), None)
    assert list(doubts) == ["distance_from_scan"]
    np.testing.assert_allclose(doubts["distance_from_scan"], [0.1, 0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "trust", "message"),
    [
        ({"count": 29}, 0.8, "29 validation images are too few to calibrate with"),
        ({}, 1.5, r"--trust is 1\.5\. Choose a share"),
    ],
)
def test_what_cannot_calibrate_is_refused(given, trust, message):
    with pytest.raises(ValueError, match=message):
        calibrated(trust, **given)


def test_images_that_are_all_alike_are_refused():
    doubts, two_way = measured()
    same = {name: np.full(200, 0.5) for name in doubts}
    with pytest.raises(ValueError, match="equally doubtful or equally well drawn"):
        fitted_calibration(same, two_way, two_way)
