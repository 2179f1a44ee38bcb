"""Sizes and names of LAION-fMRI against its publication."""

import pytest

from mindeye import laion_layout as layout


def test_the_sizes_and_names_are_those_of_the_publication():
    assert layout.subject_name(7) == "sub-07"
    with pytest.raises(LookupError, match=r"subjects 1, 3, 5, 6, 7, not 2"):
        layout.subject_name(2)
    assert layout.betas_path(1, 1).as_posix() == (
        "derivatives/glmsingle-tedana/sub-01/ses-01/func/sub-01_ses-01_task-images_"
        "space-T1w_stat-effect_desc-SingletrialBetas_statmap.nii.gz"
    )
    assert layout.trials_path(3, 4).as_posix() == (
        "derivatives/glmsingle-tedana/sub-03/ses-04/func/"
        "sub-03_ses-04_task-images_desc-SingletrialBetas_trials.tsv"
    )
