import numpy as np
import pytest

from mindeye.data.scans.scan import read_scan

ARRAYS = ("npy", "npz", "h5", "hdf5", "csv", "tsv")


@pytest.mark.parametrize("form", ARRAYS)
def test_every_array_form_gives_the_same_betas(save_array, brain, tmp_path, form):
    scan = read_scan([save_array(tmp_path, form, brain.betas)], brain.bundle)
    np.testing.assert_array_equal(scan.betas, brain.betas)
    assert form in scan.form


@pytest.mark.parametrize("form", ARRAYS)
def test_an_array_that_lies_the_other_way_round_is_refused_and_taken_when_it_is_said(
    save_array, brain, tmp_path, form
):
    path = save_array(tmp_path, form, brain.betas.T)
    with pytest.raises(ValueError, match=r'Pass --orientation "voxels x trials"'):
        read_scan([path], brain.bundle)
    scan = read_scan([path], brain.bundle, orientation="voxels x trials")
    np.testing.assert_array_equal(scan.betas, brain.betas)
    right = save_array(tmp_path, form, brain.betas)
    with pytest.raises(ValueError, match=r'Pass --orientation "trials x voxels"'):
        read_scan([right], brain.bundle, orientation="voxels x trials")


def test_a_square_array_is_refused_until_its_orientation_is_said(save_array, brain, tmp_path):
    count = brain.bundle.num_voxels
    square = np.resize(brain.betas, (count, count))
    path = save_array(tmp_path, "npy", square)
    with pytest.raises(ValueError, match="shape does not tell which are the trials"):
        read_scan([path], brain.bundle)
    scan = read_scan([path], brain.bundle, orientation="trials x voxels")
    np.testing.assert_array_equal(scan.betas, square)


def test_an_unknown_orientation_and_an_unknown_form_are_named(save_array, brain, tmp_path):
    path = save_array(tmp_path, "npy", brain.betas)
    with pytest.raises(LookupError, match="Unknown orientation `rows`"):
        read_scan([path], brain.bundle, orientation="rows")
    path.rename(tmp_path / "betas.xlsx")
    with pytest.raises(LookupError, match=r"betas\.xlsx has no form that can be read"):
        read_scan([tmp_path / "betas.xlsx"], brain.bundle)
    with pytest.raises(FileNotFoundError, match=r"betas\.npy is missing"):
        read_scan([path], brain.bundle)


def test_an_array_among_others_must_be_called_betas(brain, tmp_path):
    np.savez(tmp_path / "two.npz", first=brain.betas, second=brain.betas)
    with pytest.raises(LookupError, match=r"holds first, second, and none is called `betas`"):
        read_scan([tmp_path / "two.npz"], brain.bundle)
    np.savez(tmp_path / "one.npz", data=brain.betas)
    np.testing.assert_array_equal(
        read_scan([tmp_path / "one.npz"], brain.bundle).betas, brain.betas
    )


def test_a_table_of_unequal_lines_or_words_is_no_scan(brain, tmp_path):
    (tmp_path / "cut.csv").write_text("1,2,3\n4,5\n")
    with pytest.raises(ValueError, match=r"cut\.csv cannot be read \(its lines have \[2, 3\]"):
        read_scan([tmp_path / "cut.csv"], brain.bundle)
    (tmp_path / "words.csv").write_text("a,b\n1,x\n")
    with pytest.raises(ValueError, match=r"words\.csv cannot be read"):
        read_scan([tmp_path / "words.csv"], brain.bundle)
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    with pytest.raises(ValueError, match=r"words\.npy holds <U1, no numbers"):
        read_scan([tmp_path / "words.npy"], brain.bundle)


@pytest.mark.parametrize("form", ["npy", "npz", "h5", "nii.gz", "nii", "mat"])
def test_a_file_that_was_cut_off_is_named(save_array, brain, tmp_path, write_nifti, form):
    if form.startswith("nii"):
        path = write_nifti(tmp_path / f"betas.{form}", brain.volumes)
    elif form == "mat":
        path = save_array(tmp_path, "h5", brain.betas).rename(tmp_path / "betas.mat")
    else:
        path = save_array(tmp_path, form, brain.betas)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ValueError, match=rf"betas\.{form} cannot be read .*Was it cut off"):
        read_scan([path], brain.bundle)
