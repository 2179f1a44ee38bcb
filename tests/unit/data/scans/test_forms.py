"""Every form of one scan gives the same betas; each refuses in a sentence what it cannot read."""

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

from mindeye.data.scans.results import RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan


def save_array(folder, form, betas):
    path = folder / f"betas.{form}"
    if form == "npy":
        np.save(path, betas)
    elif form == "npz":
        np.savez(path, betas=betas, subject=1)
    elif form in ("h5", "hdf5"):
        with h5py.File(path, "w") as file:
            file["betas"], file["onsets"] = betas, np.arange(3)
    else:
        separator = "\t" if form == "tsv" else ","
        rows = [separator.join(f"{value:.9g}" for value in row) for row in betas]
        header = separator.join(f"v{column}" for column in range(betas.shape[1]))
        path.write_text("\r\n".join([header, *rows]) + "\r\n", newline="")
    return path


ARRAYS = ("npy", "npz", "h5", "hdf5", "csv", "tsv")


@pytest.mark.parametrize("form", ARRAYS)
def test_every_array_form_gives_the_same_betas(brain, tmp_path, form):
    scan = read_scan([save_array(tmp_path, form, brain.betas)], brain.bundle)
    np.testing.assert_array_equal(scan.betas, brain.betas)
    assert form in scan.form


@pytest.mark.parametrize("form", ARRAYS)
def test_an_array_that_lies_the_other_way_round_is_refused_and_taken_when_it_is_said(
    brain, tmp_path, form
):
    path = save_array(tmp_path, form, brain.betas.T)
    with pytest.raises(ValueError, match=r'Pass --orientation "voxels x trials"'):
        read_scan([path], brain.bundle)
    scan = read_scan([path], brain.bundle, orientation="voxels x trials")
    np.testing.assert_array_equal(scan.betas, brain.betas)
    right = save_array(tmp_path, form, brain.betas)
    with pytest.raises(ValueError, match=r'Pass --orientation "trials x voxels"'):
        read_scan([right], brain.bundle, orientation="voxels x trials")


def test_a_square_array_is_refused_until_its_orientation_is_said(brain, tmp_path):
    count = brain.bundle.num_voxels
    square = np.resize(brain.betas, (count, count))
    path = save_array(tmp_path, "npy", square)
    with pytest.raises(ValueError, match="shape does not tell which are the trials"):
        read_scan([path], brain.bundle)
    scan = read_scan([path], brain.bundle, orientation="trials x voxels")
    np.testing.assert_array_equal(scan.betas, square)


def test_an_unknown_orientation_and_an_unknown_form_are_named(brain, tmp_path):
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
def test_a_file_that_was_cut_off_is_named(brain, tmp_path, write_nifti, form):
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


def test_a_damaged_glmsingle_file_is_named(brain, tmp_path):
    np.savez_compressed(tmp_path / "TYPEB_FITHRF.npz", betasmd=brain.volumes)
    (tmp_path / "TYPEB_FITHRF.mat").write_bytes(b"")
    content = bytearray((tmp_path / "TYPEB_FITHRF.npz").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 99] = bytes(99)
    (tmp_path / "TYPEB_FITHRF.npz").write_bytes(content)
    for form in ("npz", "mat"):
        with pytest.raises(ValueError, match=rf"TYPEB_FITHRF\.{form} cannot be read"):
            read_scan([tmp_path / f"TYPEB_FITHRF.{form}"], brain.bundle)


def test_a_gzip_stream_without_its_end_or_with_a_wrong_checksum_is_cut_off(
    brain, tmp_path, write_nifti
):
    path = write_nifti(tmp_path / "betas.nii.gz", brain.volumes)
    content = path.read_bytes()
    for broken in (content[:-8], content[:-8] + b"\0\0\0\0" + content[-4:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"betas\.nii\.gz cannot be read"):
            read_scan([path], brain.bundle)


def test_stored_integers_with_a_scale_and_big_endian_volumes_are_read_as_they_mean(brain, tmp_path):
    image = nibabel.Nifti1Image(brain.volumes, brain.bundle.affine, dtype=np.int16)
    nibabel.save(image, tmp_path / "scaled.nii.gz")
    expected = np.asarray(nibabel.load(tmp_path / "scaled.nii.gz").dataobj)
    scan = read_scan([tmp_path / "scaled.nii.gz"], brain.bundle)
    np.testing.assert_allclose(scan.betas, expected[brain.mask].T, atol=1e-5)
    header = nibabel.Nifti1Header(endianness=">")
    big = nibabel.Nifti1Image(brain.volumes, brain.bundle.affine, header)
    nibabel.save(big, tmp_path / "big.nii")
    assert nibabel.load(tmp_path / "big.nii").dataobj.dtype.byteorder == ">"
    np.testing.assert_array_equal(
        read_scan([tmp_path / "big.nii"], brain.bundle).betas, brain.betas
    )


@pytest.fixture
def volumes_of_trials(brain, tmp_path, write_nifti):
    """Files whose names sort in another order than the trials, and the table that knows it."""
    count = len(brain.betas)
    names = [f"beta_{(7 * trial) % count:04d}.nii" for trial in range(count)]
    for trial, name in enumerate(names):
        write_nifti(tmp_path / name, brain.volumes[..., trial])
    table = tmp_path / "trials.tsv"
    rows = [f"{name}\t{trial // 2}" for trial, name in enumerate(names)]
    table.write_text("\n".join(["file\timage_id", *rows]) + "\n")
    return sorted(tmp_path.glob("*.nii")), table


def test_volumes_of_single_trials_stand_in_the_order_of_the_table(brain, volumes_of_trials):
    paths, table = volumes_of_trials
    scan = read_scan(paths, brain.bundle, trials=table)
    np.testing.assert_array_equal(scan.betas, brain.betas)
    assert [path.name for path in scan.files] == [row.file for row in scan.trials.rows]
    assert scan.trials.image_ids[:4] == (0, 0, 1, 1)


def test_volumes_of_single_trials_without_a_table_or_with_another_one_are_refused(
    brain, volumes_of_trials, tmp_path, write_nifti
):
    paths, table = volumes_of_trials
    with pytest.raises(ValueError, match="names do not tell the order of trials"):
        read_scan(paths, brain.bundle)
    with pytest.raises(ValueError, match=r"'beta_0000\.nii' is only in the table"):
        read_scan(paths[1:], brain.bundle, trials=table)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(ValueError, match="names 1 files more than once"):
        read_scan(paths, brain.bundle, trials=table)
    table.write_text("image_id\n1\n")
    with pytest.raises(ValueError, match="has no column `file`"):
        read_scan(paths, brain.bundle, trials=table)
    write_nifti(paths[3], brain.volumes)
    table.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"{paths[3].name} has shape .* must be a 3-D volume"):
        read_scan(paths, brain.bundle, trials=table)


def test_two_arrays_are_not_joined_by_guess(brain, tmp_path):
    first = save_array(tmp_path, "npy", brain.betas)
    second = save_array(tmp_path, "npz", brain.betas)
    with pytest.raises(ValueError, match="2 files were given"):
        read_scan([first, second], brain.bundle)
    with pytest.raises(ValueError, match="No scan was given"):
        read_scan([], brain.bundle)


def glmsingle_results(betasmd):
    """What GLMsingle 1.2 keeps beside the betas, in kinds if not in sizes."""
    return {
        "betasmd": betasmd,
        "HRFindex": np.zeros(betasmd.shape[:3]),
        "pcnum": np.int64(3),
        "pcvoxels": np.ones(betasmd.shape[:3], dtype=bool),
        "pcregressors": [np.eye(2), np.eye(3)],
        "noisepool": None,
        "glmbadness": np.asfortranarray(np.ones((2, 3))),
        "names": ["a", ("b", 1.5)],
    }


def save_glmsingle(folder, form, betasmd):
    path = folder / f"TYPED_FITHRF_GLMDENOISE_RR.{form}"
    if form == "npy":
        np.save(path, glmsingle_results(betasmd))
    elif form == "npz":
        np.savez(path, betasmd=betasmd, pcnum=3)
    elif form == "hdf5":
        with h5py.File(path, "w") as file:
            file["betasmd"], file["pcnum"] = betasmd, 3
    else:
        with h5py.File(path, "w") as file:
            file["modelmd"] = betasmd.T
            file["modelmd"].attrs["MATLAB_class"] = np.bytes_("single")
    return path


GLMSINGLE = ("npy", "npz", "hdf5", "mat")


@pytest.mark.parametrize("form", GLMSINGLE)
@pytest.mark.parametrize("as_volume", [True, False])
def test_every_form_of_glmsingles_output_gives_the_same_betas(brain, tmp_path, form, as_volume):
    betasmd = brain.volumes if as_volume else brain.betas.T[:, None, None]
    path = save_glmsingle(tmp_path, form, betasmd)
    scan = read_scan([path], brain.bundle, trust_pickle=True)
    np.testing.assert_array_equal(scan.betas, brain.betas)
    assert scan.form == "GLMsingle TYPED_FITHRF_GLMDENOISE_RR"
    folder = read_scan([tmp_path], brain.bundle, trust_pickle=True)
    np.testing.assert_array_equal(folder.betas, brain.betas)
    statuses = {one.name: one.status for one in check_scan(scan, brain.bundle)}
    assert "failed" not in statuses.values()


def test_glmsingle_in_an_older_mat_file_is_read_too(brain, tmp_path):
    path = tmp_path / "TYPEB_FITHRF.mat"
    scipy.io.savemat(path, {"modelmd": brain.volumes, "R2": 1.0})
    scan = read_scan([path], brain.bundle)
    np.testing.assert_array_equal(scan.betas, brain.betas)


def test_glmsingle_of_a_whole_brain_needs_the_mask_that_lists_its_voxels(
    brain, tmp_path, write_nifti
):
    larger = brain.mask.copy()
    larger[:, :, 3] = True
    mask = write_nifti(tmp_path / "brain.nii.gz", larger.astype(np.int16))
    path = save_glmsingle(tmp_path, "hdf5", brain.volumes[larger][:, None, None])
    with pytest.raises(RefusedScanError, match=r"needs its own mask"):
        read_scan([path], brain.bundle)
    scan = read_scan([path], brain.bundle, mask=mask)
    np.testing.assert_array_equal(scan.betas, brain.betas)


def test_a_glmsingle_file_without_betas_is_named(brain, tmp_path):
    np.save(tmp_path / "DESIGNINFO.npy", {"designSINGLE": 1})
    with pytest.raises(ValueError, match=r"holds designSINGLE, and no `betasmd`"):
        read_scan([tmp_path / "DESIGNINFO.npy"], brain.bundle, trust_pickle=True)
    path = save_glmsingle(tmp_path, "hdf5", brain.volumes[..., 0])
    with pytest.raises(ValueError, match=r"has betas of shape \(9, 8, 7\)"):
        read_scan([path], brain.bundle)


def test_nsds_own_hdf5_is_the_same_as_its_nifti(brain, tmp_path, write_nifti):
    raw = np.rint(brain.volumes * 300).astype(np.int16)
    nifti = write_nifti(tmp_path / "betas_session01.nii.gz", raw)
    with h5py.File(tmp_path / "betas_session01.hdf5", "w") as file:
        file.create_dataset("betas", data=raw.transpose(3, 2, 1, 0), chunks=(raw.shape[3], 1, 1, 1))
    scans = [
        read_scan([path], brain.bundle, units="nsd-int16")
        for path in (nifti, tmp_path / "betas_session01.hdf5")
    ]
    np.testing.assert_array_equal(scans[0].betas, scans[1].betas)
    np.testing.assert_allclose(scans[0].betas, brain.betas, atol=1 / 600 + 1e-4)
    assert scans[1].form == "NSD hdf5"


@pytest.mark.parametrize("as_folder", [True, False])
def test_time_series_in_bids_are_recognised_and_refused_with_the_way_to_betas(
    brain, tmp_path, write_nifti, as_folder
):
    folder = tmp_path / "derivatives" / "sub-01" / "func"
    folder.mkdir(parents=True)
    name = "sub-01_task-nsd_space-T1w_desc-preproc_bold.nii.gz"
    path = write_nifti(folder / name, brain.volumes)
    given = tmp_path / "derivatives" if as_folder else path
    with pytest.raises(ValueError, match=r"holds no betas. Estimate one beta for every trial"):
        read_scan([given], brain.bundle)


def test_a_folder_that_is_neither_says_so(brain, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LookupError, match="is a folder without GLMsingle's output"):
        read_scan([tmp_path / "empty"], brain.bundle)
