"""Broken files of MOSAIC: each fault has a sentence of its own, and nothing stays."""

import h5py
import numpy as np
import pytest

from mindeye.data.other_datasets.mosaic import prepare_mosaic

FIRST = "sub-02_GOD_stimulus-n00_0_phase-train_rep-0"


@pytest.fixture
def refused(own_mosaic, tmp_path):
    """(error, message, changed settings): preparing must fail so, and leave nothing."""

    def check(error, message, **changes):
        given = {"stimuli": own_mosaic.pictures, "stimulus_table": own_mosaic.table, "subject": 2}
        given |= {"noise_ceiling_above": 1.0, "seed": 6, **changes}
        source = given.pop("source", own_mosaic.file)
        with pytest.raises(error, match=message):
            prepare_mosaic(source, out=tmp_path / "out", **given)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["toy"]

    return check


def edit(toy, change):
    with h5py.File(toy.file, "a") as file:
        change(file)


def rename(toy, old, new):
    text = toy.table.read_text()
    assert old in text
    toy.table.write_text(text.replace(old, new))


def test_a_file_that_was_cut_off(own_mosaic, refused):
    content = own_mosaic.file.read_bytes()
    own_mosaic.file.write_bytes(content[: len(content) // 2])
    refused(ValueError, r"sub-02_GOD\.hdf5 cannot be read \(.*truncated.*Was its download cut off")


def test_a_file_that_is_not_there_or_no_file_of_mosaic(own_mosaic, refused):
    missing = own_mosaic.file.with_name("sub-09_GOD.hdf5")
    refused(FileNotFoundError, r"sub-09_GOD\.hdf5 is missing", source=missing)
    refused(FileNotFoundError, r"holds no sub-02_DATASET\.hdf5", source=own_mosaic.pictures)
    edit(own_mosaic, lambda file: file.move("betas", "gammas"))
    refused(ValueError, r"it has \['gammas', 'noiseceilings'\] and no group `betas`")


def test_a_trial_that_does_not_say_its_picture(own_mosaic, refused):
    def change(file):
        del file["betas"][FIRST].attrs["presented_stimulus_filename"]

    edit(own_mosaic, change)
    refused(ValueError, rf"{FIRST} does not say which picture was shown")


def test_a_trial_that_says_two_things(own_mosaic, refused):
    edit(own_mosaic, lambda file: file["betas"][FIRST].attrs.create("phase", "test"))
    refused(ValueError, rf"{FIRST} says of itself that it shows n00_0\.JPEG for test")


def test_a_picture_that_is_missing(own_mosaic, refused):
    (own_mosaic.pictures / "n00_0.png").unlink()
    message = r"1 of 10 pictures are missing: n00_0\.JPEG was looked for in .*pictures and all"
    refused(FileNotFoundError, message)


def test_a_subject_that_is_not_there(refused):
    refused(LookupError, r"holds nothing of subject 1; it has sub-02_GOD", subject=1)
    refused(LookupError, r"no column sub-03_reps; it knows sub-01_reps, sub-02_reps", subject=3)


def test_two_trials_of_one_repeat(own_mosaic, refused):
    def change(file):
        file["betas"].copy(FIRST, FIRST.replace("rep-0", "rep-00"))

    edit(own_mosaic, change)
    refused(ValueError, rf"{FIRST} and {FIRST}0 are the same repeat of one picture")


def test_a_value_that_is_missing_without_being_listed(own_mosaic, refused):
    def change(file):
        file["betas"][FIRST][4] = np.nan

    edit(own_mosaic, change)
    message = rf"{FIRST} is NaN or infinite at 1 grayordinates that its nan_indices .*\[4\]"
    refused(ValueError, message)


def test_nan_indices_beyond_the_grayordinates(own_mosaic, refused):
    edit(own_mosaic, lambda file: file["betas"][FIRST].attrs.create("nan_indices", [3, 91_282]))
    refused(ValueError, rf"nan_indices of {FIRST} run from 3 to 91282")


def test_a_picture_for_training_and_for_the_test(own_mosaic, refused):
    def change(file):
        file["betas"].copy(FIRST, FIRST.replace("phase-train_rep-0", "phase-test_rep-1"))

    edit(own_mosaic, change)
    refused(ValueError, r"1 pictures stand in train and in test, first \['n00_0'\]")


def test_a_table_without_a_picture_of_the_file(own_mosaic, refused):
    rename(own_mosaic, "n00_0.JPEG", "other.JPEG")
    refused(ValueError, rf"{FIRST} shows n00_0\.JPEG, which .*god_stiminfo\.tsv does not have")


def test_a_table_with_another_split(own_mosaic, refused):
    rename(own_mosaic, "n00_0.JPEG\tn/a\tImageNet\ttrain", "n00_0.JPEG\tn/a\tImageNet\ttest")
    refused(ValueError, r"says that n00_0\.JPEG is for test, the trials say train")


@pytest.mark.parametrize("count", [2, 4])
def test_a_table_that_counts_other_showings(own_mosaic, refused, count):
    rename(
        own_mosaic,
        "a_test.JPEG\tn/a\tImageNet\ttest\t0\t3",
        f"a_test.JPEG\tn/a\tX\ttest\t0\t{count}",
    )
    refused(
        ValueError, rf"how often 1 pictures .*: a_test\.JPEG has 3 trials, but .* {count} times"
    )


def test_a_picture_that_the_table_counts_and_no_trial_shows(own_mosaic, refused):
    rename(own_mosaic, "unseen.JPEG\tn/a\tImageNet\ttrain\t0\t0", "unseen.JPEG\t\tX\ttrain\t0\t1")
    refused(
        ValueError, r"how often 1 pictures .*: unseen\.JPEG has 0 trials, but was shown 1 times"
    )


def test_a_table_that_is_broken(own_mosaic, refused):
    rename(own_mosaic, "unseen.JPEG", "n00_0.JPEG")
    refused(ValueError, r"god_stiminfo\.tsv: n00_0\.JPEG stands in 2 rows")
    rename(own_mosaic, "n00_0.JPEG\tn/a\tImageNet\ttrain\t0\t0", "x\tn/a\tImageNet\tmaybe\t0\t0")
    refused(ValueError, r"the row of `x` says test_train `maybe` and sub-02_reps `0`")
    rename(own_mosaic, "filename", "file")
    refused(ValueError, r"has no column filename; it has file, alias, source")
    own_mosaic.table.unlink()
    refused(FileNotFoundError, r"god_stiminfo\.tsv is missing")


def test_names_that_are_no_trials_and_trials_of_two_data_sets(own_mosaic, refused):
    edit(own_mosaic, lambda file: file["betas"].move(FIRST, FIRST.replace("GOD", "NSD")))
    refused(ValueError, r"holds trials of GOD, NSD; one of NSD, BOLD5000")
    edit(own_mosaic, lambda file: file["betas"].move(FIRST.replace("GOD", "NSD"), "something"))
    refused(ValueError, r"1 of 16 data sets of `betas` are not named as trials are, first `somethi")


def test_thresholds_that_nothing_passes(own_mosaic, refused):
    refused(
        ValueError, r"noise ceiling above 95 %\. The highest is 90\.0 %", noise_ceiling_above=95.0
    )
    edit(own_mosaic, lambda file: file.pop("noiseceilings"))
    refused(LookupError, r"has no noise ceilings: no picture was repeated")


def test_unknown_names(refused):
    refused(LookupError, r"no ROI `V1` here\. Pick cortex or all", roi="V1")
    refused(LookupError, r"no protocol `nsd` here\. Pick mosaic-natural or", protocol="nsd")
