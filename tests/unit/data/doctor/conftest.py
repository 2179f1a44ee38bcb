"""A tree that is right in every part, called made up so that NSD's sizes are not asked of it."""

import json
import shutil

import numpy as np
import pytest


@pytest.fixture
def whole_tree(own_tree, stim_info_path, rewrite_volume):
    """Own copy of the written tree with everything that the doctor looks at."""
    root = own_tree.root
    (root / "SIMULATED.json").write_text(json.dumps({"simulated": True}))
    shutil.copy(stim_info_path, root / "nsddata/experiments/nsd")
    brain = (own_tree.atlases["nsdgeneral"] > -1).astype(np.int16)
    rewrite_volume(own_tree.functional / "brainmask.nii.gz", brain)
    mean = own_tree.raw.astype(np.float64).mean((0, 4)).astype(np.float32)
    rewrite_volume(own_tree.betas / "meanbeta.nii.gz", mean)
    for session in (1, 2):
        name = f"valid_session{session:02d}.nii.gz"
        rewrite_volume(own_tree.functional / name, own_tree.raw[0].any(-1).astype(np.int16))
    return own_tree


@pytest.fixture
def wrong_lines():
    """diagnosis -> {name: (seen, expected)} of what is wrong."""

    def of(diagnosis):
        return {
            check.name: (check.seen, check.expected)
            for check in diagnosis.checks
            if check.state == "wrong"
        }

    return of
