"""One trial: what a scanner hands on while it runs."""

import numpy as np
import pytest

from mindeye.data.scans.scan import read_scan
from mindeye.data.scans.units import check_units


@pytest.mark.parametrize("orientation", [None, "trials x voxels", "voxels x trials"])
def test_an_array_of_one_dimension_is_one_trial(orientation, brain, tmp_path):
    np.save(tmp_path / "one.npy", brain.betas[0])
    scan = read_scan([tmp_path / "one.npy"], brain.bundle, units="psc", orientation=orientation)
    assert np.array_equal(scan.betas, brain.betas[:1])


def test_a_named_unit_of_one_trial_is_not_taken_for_z(brain):
    nearly_z = (brain.betas[:1] - brain.bundle.mean_map) / brain.betas.std(0, ddof=1)
    assert check_units(nearly_z, "psc", brain.bundle).status == "passed"
    assert check_units(nearly_z * 300, "psc", brain.bundle).status == "failed"
