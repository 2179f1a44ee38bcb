"""Simulated trees of two presets load to the very numbers that the simulator drew."""

import dataclasses

import numpy as np
import pytest

from mindeye.data.nsd import NSDTree
from mindeye.simulate import sessions as simulated_sessions
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import PRESETS


@pytest.fixture(scope="module", params=["tiny", "hard"])
def drawn(request, tmp_path_factory):
    """A tree, and its session's betas before they were written: (session, brain, betas)."""
    taken, patch = [], pytest.MonkeyPatch()
    plain = simulated_sessions.write_betas

    def writing(folder, stem, betas, brain):
        session = int(stem.removeprefix("betas_session"))
        taken.append((session, brain.copy(), betas.copy()))
        plain(folder, stem, betas, brain)

    patch.setattr(simulated_sessions, "write_betas", writing)
    root = tmp_path_factory.mktemp(request.param) / "nsd"
    config = dataclasses.replace(PRESETS[request.param], sessions=1, image_side=64)
    simulate_nsd_tree(root, config, seed=3)
    patch.undo()
    return root, taken


@pytest.mark.parametrize("source", ["hdf5", "nii.gz"])
def test_the_betas_of_a_session_are_those_that_were_drawn(drawn, source):
    root, ((session, brain, betas),) = drawn
    tree = NSDTree(root)
    # Both walk the volume with x slowest.
    wanted = betas[:, tree.mask(1)[brain]].astype(np.float32) / np.float32(300)
    assert wanted.std() > 0.5
    np.testing.assert_array_equal(tree.betas(1, session, source=source), wanted)
