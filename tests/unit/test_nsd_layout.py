import numpy as np
import pytest

from mindeye import nsd_layout as nsd


def test_runs_add_up_to_a_session_and_sessions_to_the_experiment():
    assert sum(nsd.TRIALS_PER_RUN) == nsd.TRIALS_PER_SESSION
    assert nsd.NUM_SESSIONS * nsd.TRIALS_PER_SESSION == nsd.NUM_TRIALS
    assert nsd.IMAGES_PER_SUBJECT * nsd.REPEATS_PER_IMAGE == nsd.NUM_TRIALS
    run = nsd.run_of_trial()
    assert len(run) == 750
    assert run[0] == 1
    assert run[62] == 1
    assert run[63] == 2
    assert run[-1] == 12


def test_shared_and_own_images_are_all_images():
    own = nsd.IMAGES_PER_SUBJECT - nsd.NUM_SHARED_IMAGES
    assert nsd.NUM_SHARED_IMAGES + nsd.NUM_SUBJECTS * own == nsd.NUM_IMAGES


def test_affine_puts_the_centre_of_the_slab_at_zero():
    affine = nsd.functional_affine(nsd.VOLUME_SHAPES[1])
    np.testing.assert_allclose(affine[:3, 3], [-72.0, -92.7, -73.8])
    centre = (np.array(nsd.VOLUME_SHAPES[1]) - 1) / 2
    np.testing.assert_allclose(affine @ [*centre, 1], [0, 0, 0, 1], atol=1e-12)


def test_paths_are_those_of_the_data_manual():
    assert nsd.betas_path(1, 3, "hdf5").as_posix() == (
        "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session03.hdf5"
    )
    assert nsd.betas_path(8, 30, "nii.gz", "b1").parent.name == "betas_assumehrf"
    assert nsd.roi_path(2, "streams", "lh").as_posix() == (
        "nsddata/ppdata/subj02/func1pt8mm/roi/lh.streams.nii.gz"
    )
    assert not any(path.is_absolute() for path in (nsd.stimuli_path(), nsd.expdesign_path()))


def test_labels_count_from_one_without_holes():
    for labels in nsd.ROI_LABELS.values():
        assert list(labels) == list(range(1, len(labels) + 1))
    assert nsd.ROI_LABELS["prf-visualrois"][7] == "hV4"
    assert nsd.ROI_LABELS["streams"][5] == "ventral"
    assert len(nsd.ROI_LABELS["Kastner2015"]) == 25
    assert len(nsd.RESPONSE_COLUMNS) == 19


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(LookupError, match="subjects 1 to 8, not 9"):
        nsd.brainmask_path(9)
    with pytest.raises(LookupError, match=r"`b4`.*b1, b2, b3"):
        nsd.ncsnr_path(1, "b4")
    with pytest.raises(LookupError, match="not `mat`"):
        nsd.betas_path(1, 1, "mat")
