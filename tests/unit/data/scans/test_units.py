import dataclasses

import numpy as np
import pytest

from mindeye.data.scans.scan import read_scan
from mindeye.data.scans.units import check_units


def only_failed(results):
    """The one check that failed."""
    (failed,) = [one for one in results.values() if one.status == "failed"]
    return failed


def zscores(betas):
    return (betas - betas.mean(0)) / betas.std(0, ddof=1)


WRONG_UNITS = [
    (lambda betas: betas * 300, "this looks like stored int16", "Pass --units nsd-int16"),
    (lambda betas: betas / 300, "divided by 300 once too often", "Pass --units psc"),
    (lambda betas: betas * 12 + 900, "raw BOLD, a signal and no betas", "Estimate betas first"),
    (lambda betas: betas * 10, "no percent signal change as the model knows it", "Only psc"),
]


@pytest.mark.parametrize(("change", "seen", "advice"), WRONG_UNITS)
@pytest.mark.parametrize("num_trials", [60, 1])
@pytest.mark.parametrize("units", [None, "psc"])
def test_betas_in_another_unit_than_said_are_refused_by_name(
    brain, verdict, change, seen, advice, num_trials, units
):
    failed = only_failed(verdict(change(brain.betas[:num_trials]), units=units))
    assert failed.name == "units"
    assert seen in failed.seen
    assert advice in failed.advice


@pytest.mark.parametrize("num_trials", [60, 5])
def test_z_scored_betas_are_refused_as_percent_and_percent_as_z(brain, verdict, num_trials):
    z = zscores(brain.betas)[:num_trials]
    for units in (None, "psc"):
        failed = only_failed(verdict(z, units=units))
        assert (failed.name, "z-scored already" in failed.seen) == ("units", True)
    failed = only_failed(verdict(brain.betas[:num_trials], units="z"))
    assert (failed.name, failed.advice) == ("units", "Pass --units psc.")


def test_stored_integers_are_divided_when_they_are_said_and_refused_when_they_are_none(
    brain, verdict, tmp_path
):
    np.save(tmp_path / "raw.npy", np.rint(brain.betas * 300).astype(np.int16))
    scan = read_scan([tmp_path / "raw.npy"], brain.bundle, units="nsd-int16")
    np.testing.assert_allclose(scan.betas, brain.betas, atol=1 / 600 + 1e-4)
    assert scan.units == "nsd-int16"
    failed = only_failed(verdict(brain.betas, units="nsd-int16"))
    assert (failed.name, "once too often" in failed.seen) == ("units", True)


def test_a_model_that_knows_no_statistics_needs_the_unit_said(brain, verdict):
    unknown = dataclasses.replace(
        brain.bundle,
        mean=brain.bundle.mean[:0],
        std=brain.bundle.std[:0],
        mean_map=np.full_like(brain.bundle.mean_map, np.nan),
        shape=None,
        affine=None,
        coordinates=None,
    )
    failed = only_failed(verdict(brain.betas, unknown))
    assert (failed.name, "Pass --units" in failed.advice) == ("units", True)
    results = verdict(brain.betas, unknown, units="psc")
    assert [results[name].status for name in ("units", "mean map")] == ["skipped"] * 2
    assert results["normalisation"].seen == "Only the scan's own 60 trials can z-score it."
    assert only_failed(verdict(brain.betas[:19], unknown, units="psc")).name == "normalisation"


def test_a_model_whose_percent_is_z_cannot_tell_the_two_apart(brain, verdict):
    ones = np.ones_like(brain.bundle.std)
    bundle = dataclasses.replace(
        brain.bundle, mean=0 * ones, std=ones, mean_map=0 * ones[0] + 1e-3 * brain.bundle.mean_map
    )
    failed = only_failed(verdict(zscores(brain.betas), bundle))
    assert (failed.name, failed.advice) == ("units", "Pass --units psc or --units z.")


def test_the_unit_of_another_data_set_is_called_by_its_name(brain):
    bundle = dataclasses.replace(brain.bundle, units="of time series that were z-scored in runs")
    result = check_units(brain.betas, "psc", bundle)
    assert result.status == "passed"
    assert result.seen.endswith(": of time series that were z-scored in runs.")
    assert check_units(brain.betas, "psc", brain.bundle).seen.endswith(": percent signal change.")
