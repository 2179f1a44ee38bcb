"""Broken files of THINGS-fMRI: each fault has a sentence of its own, and nothing stays."""

import h5py
import nibabel
import numpy as np
import pytest

from mindeye.data.other_datasets.things import prepare_things

BETAS, TRIALS, VOXELS = (
    f"sub-02_{name}" for name in ("ResponseData.h5", "StimulusMetadata.csv", "VoxelMetadata.csv")
)


@pytest.fixture
def refused(own_things, tmp_path):
    """(error, message, changed settings): preparing must fail so, and leave nothing."""

    def check(error, message, **changes):
        given = {"subject": 2, "stimuli": own_things.pictures, **changes}
        with pytest.raises(error, match=message):
            prepare_things(own_things.folder, out=tmp_path / "out", **given)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["toy"]

    return check


def rename(toy, table, old, new):
    text = (toy.folder / table).read_text()
    assert old in text
    (toy.folder / table).write_text(text.replace(old, new, 1))


def test_betas_that_were_cut_off(own_things, refused):
    content = (own_things.folder / BETAS).read_bytes()
    (own_things.folder / BETAS).write_bytes(content[: len(content) // 2])
    refused(ValueError, r"ResponseData\.h5 cannot be read \(.*truncated")


@pytest.mark.parametrize("name", [BETAS, TRIALS, VOXELS])
def test_a_table_that_is_missing(own_things, refused, name):
    (own_things.folder / name).unlink()
    refused(FileNotFoundError, rf"{name} is missing\. Fetch it from betas_csv")


def test_betas_of_other_voxels_trials_or_order(own_things, refused, rewrite_frame):
    path = own_things.folder / BETAS
    rewrite_frame(path, own_things.betas[:-1], np.arange(39))
    refused(ValueError, r"has betas \(39, 30\), but the tables have \(40, 30\)")
    rewrite_frame(path, own_things.betas, np.arange(40)[::-1])
    refused(ValueError, r"have the voxel_id in another order")
    with h5py.File(path, "a") as file:
        del file["ResponseData"]["block0_values"]
    refused(ValueError, r"but one frame with one block of floating-point numbers is needed")


def test_a_beta_that_is_not_finite_and_voxels_that_are_constant(own_things, refused, rewrite_frame):
    broken = own_things.betas.copy()
    broken[12, 7] = np.inf
    rewrite_frame(own_things.folder / BETAS, broken, np.arange(40))
    refused(ValueError, r"voxel 12 is NaN or infinite in trial 7")
    broken[12] = 1
    rewrite_frame(own_things.folder / BETAS, broken, np.arange(40))
    refused(ValueError, r"session 1: 1 of 17 voxels are constant or not finite")


def test_a_picture_that_is_missing(own_things, refused):
    (own_things.pictures / "dog" / "dog_12n.png").unlink()
    refused(FileNotFoundError, r"1 of 26 pictures are missing: dog_12n\.jpg was looked for in")


def test_a_subject_that_is_not_there_or_another_one(own_things, refused):
    refused(LookupError, r"subjects 1 to 3, not 4", subject=4)
    refused(FileNotFoundError, r"sub-01_StimulusMetadata\.csv is missing", subject=1)
    for name in (BETAS, TRIALS, VOXELS):
        (own_things.folder / name).rename(own_things.folder / name.replace("02", "03"))
    refused(ValueError, r"is of subject \[2\], not 3\. Was the file renamed", subject=3)


def test_a_table_of_trials_that_is_broken(own_things, refused):
    rename(own_things, TRIALS, ",2,29,", ",2,31,")
    refused(ValueError, r"trial_id does not run from 0 to 29")
    rename(own_things, TRIALS, "test,", "catch,")
    refused(ValueError, r"has trial_type `catch`, but train or test is needed")
    rename(own_things, TRIALS, "catch,", "train,")
    rename(own_things, TRIALS, ",2,31,", ",2,29,")
    refused(ValueError, r"1 pictures stand in train and in test, first \['(ape|dog)_")
    rename(own_things, TRIALS, "thing05_5s.jpg", "")
    refused(ValueError, r"has blank cells in 1 rows")
    rename(own_things, TRIALS, "stimulus", "picture")
    refused(ValueError, r"has no column stimulus; it has trial_type, session")


def test_a_mask_of_another_brain(own_things, refused):
    path = own_things.folder.parent / "brainmasks" / "sub-02_space-T1w_brainmask.nii.gz"
    mask = nibabel.load(path)
    flipped = np.flip(np.asarray(mask.dataobj), 0)
    nibabel.save(nibabel.Nifti1Image(flipped, mask.affine), path)
    refused(ValueError, r"has 40 voxels, the table of voxels 40, or they lie elsewhere")


def test_unknown_regions_scopes_and_empty_choices(refused):
    refused(LookupError, r"no region `V9`; it has V1, lFFA, g-V2", roi="V9")
    refused(LookupError, r"Unknown z-score scope `fold`", zscore="fold")
    refused(
        ValueError,
        r"no voxel of V1 has a ceiling above 90; .* 78\.0 %",
        roi="V1",
        noise_ceiling_above=90.0,
    )
