"""The parts of the reader, on files written here by the letter of the published descriptions."""

import gzip
import json
import re

import nibabel
import numpy as np
import pytest

from mindeye import laion_layout as layout
from mindeye.data.other_datasets.laion_fmri.betas import read_betas, require_session
from mindeye.data.other_datasets.laion_fmri.published_splits import read_split
from mindeye.data.other_datasets.laion_fmri.regions import (
    find_regions,
    labels_of_voxels,
    read_ncsnr,
    read_region,
)
from mindeye.data.other_datasets.laion_fmri.trials import read_trials

GRID = (4, 5, 3)
AFFINE = np.diag([1.778, 1.778, 1.778, 1.0])
HEADER = "session\trun\tbeta_index\tlabel"
ROWS = (
    "ses-01\t1\t0\tunique_LAION_new_cluster_475_i49_p01.jpg",
    "ses-01\t1\t1\tshared_12rep_LAION_cluster_2677_i5.jpg",
    "ses-01\t2\t2\tunique_LAION_initial_cluster_4651_i2_p01.jpg",
)
SHARED, OWN = "shared_12rep_A.jpg", "unique_A_p01.jpg"


def write_volume(path, values, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def write_table(path, rows=ROWS, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def ramp(num_trials, dtype=np.float32):
    """Values that tell trial and position apart."""
    return np.arange(np.prod(GRID) * num_trials).reshape(*GRID, num_trials).astype(dtype)


def roi_path(root, roi_set, label, subject=1):
    return root / layout.roi_folder(subject) / roi_set / layout.roi_name(subject, label)


@pytest.fixture
def rois(tmp_path):
    """Three masks in two sets, one of them under an old name with a hyphen."""
    generator = np.random.default_rng(0)
    masks = {}
    for roi_set, label in (("retinotopy", "V1v"), ("retinotopy", "V1d"), ("face", "FFA-1")):
        masks[label] = generator.random(GRID) < 0.4
        write_volume(roi_path(tmp_path, roi_set, label), masks[label].astype(np.uint8))
    write_volume(tmp_path / layout.roi_folder(1) / "face/other_mask.nii.gz", np.zeros(GRID))
    return tmp_path, masks


def test_a_table_is_read_as_it_is_printed_in_the_documentation(tmp_path):
    trials = read_trials(write_table(tmp_path / "trials.tsv"), 1, 1)
    assert trials.runs == (1, 1, 2)
    assert trials.labels == tuple(row.split("\t")[3] for row in ROWS)
    assert trials.num_unlabelled == 0


def test_windows_line_ends_and_padded_numbers_read_the_same(tmp_path):
    plain = read_trials(write_table(tmp_path / "plain.tsv"), 1, 1)
    rows = [row.replace("ses-01\t", "1\trun-0") for row in ROWS]
    path = tmp_path / "windows.tsv"
    path.write_bytes(("\ufeff" + "\r\n".join([HEADER, *rows, ""])).encode())
    assert read_trials(path, 1, 1) == plain


def test_rows_without_an_image_are_kept_and_counted(tmp_path):
    rows = [*ROWS[:2], "ses-01\t2\t2\tblank", "ses-01\t2\t3\t"]
    trials = read_trials(write_table(tmp_path / "trials.tsv", rows), 1, 1)
    assert trials.labels[2:] == (None, None)
    assert trials.num_unlabelled == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROWS[0], ROWS[0], ROWS[2]], "beta_index 0 stands in lines [2, 3]"),
        ([ROWS[1], ROWS[0], ROWS[2]], "line 2 has beta_index `1`, not 0"),
        ([ROWS[0], ROWS[2]], "line 3 has beta_index `2`, not 1"),
        ([ROWS[0].replace("\t0\t", "\tx\t")], "line 2 has beta_index `x`, not 0"),
        ([ROWS[0].replace("ses-01", "ses-02")], "line 2 is of session `ses-02`"),
        ([ROWS[0].replace("\t1\t", "\t13\t", 1)], "line 2 has run `13`"),
        ([ROWS[0].replace("p01", "p05")], "one of subject 7's"),
        ([ROWS[0].replace("unique", "cat")], "neither `shared_...` nor `unique_...`"),
        ([ROWS[0], "ses-01\t1"], "line 3 has another number of cells"),
        ([ROWS[0] + "\tmore"], "line 2 has another number of cells"),
        ([], "has no rows"),
    ],
)
def test_a_broken_table_is_refused_by_what_is_wrong_with_it(tmp_path, rows, said):
    path = write_table(tmp_path / "trials.tsv", rows)
    with pytest.raises(ValueError, match=re.escape(said)) as refusal:
        read_trials(path, 1, 1)
    assert str(path) in str(refusal.value)


def test_a_table_with_other_columns_names_those_that_are_missing(tmp_path):
    path = write_table(tmp_path / "trials.tsv", header="session\trun\ttrial\tstimulus_id")
    with pytest.raises(ValueError, match=r"beta_index, label is missing"):
        read_trials(path, 1, 1)
    with pytest.raises(FileNotFoundError, match=r"absent.tsv is missing"):
        read_trials(tmp_path / "absent.tsv", 1, 1)


def test_voxels_stand_in_c_order_of_the_mask(tmp_path):
    values = ramp(4)
    path = write_volume(tmp_path / "betas.nii.gz", values)
    mask = np.random.default_rng(1).random(GRID) < 0.5
    np.testing.assert_array_equal(read_betas(path, mask), values[mask].T)


def test_a_scale_in_the_header_is_applied(tmp_path):
    image = nibabel.Nifti1Image(ramp(3, np.int16), AFFINE)
    image.header.set_slope_inter(0.5, 2)
    nibabel.save(image, tmp_path / "betas.nii.gz")
    mask = np.ones(GRID, dtype=bool)
    expected = ramp(3)[mask].T * 0.5 + 2
    np.testing.assert_allclose(read_betas(tmp_path / "betas.nii.gz", mask), expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_voxel_without_a_number_is_zero_in_the_whole_session(tmp_path, bad):
    values = ramp(4)
    values[1, 2, 0, 3] = bad
    mask = np.ones(GRID, dtype=bool)
    expected = values[mask].T.copy()
    expected[:, np.flatnonzero(~np.isfinite(expected).all(0))] = 0
    found = read_betas(write_volume(tmp_path / "betas.nii.gz", values), mask)
    np.testing.assert_array_equal(found, expected)


def test_a_session_that_is_cut_off_says_where_it_ends(tmp_path):
    path = write_volume(tmp_path / "betas.nii.gz", np.random.default_rng(0).random((*GRID, 40)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"betas.nii.gz cannot be read .* Was it cut off"):
        read_betas(path, np.ones(GRID, dtype=bool))
    whole = write_volume(tmp_path / "short.nii.gz", ramp(40))
    content = gzip.decompress(whole.read_bytes())
    whole.write_bytes(gzip.compress(content[: len(content) - 60 * 4 * 2 - 7]))
    with pytest.raises(ValueError, match=r"ends in trial 37 of 40"):
        read_betas(whole, np.ones(GRID, dtype=bool))


def test_a_session_whose_checksum_fails_is_refused(tmp_path):
    path = write_volume(tmp_path / "betas.nii.gz", ramp(4))
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(ValueError, match=r"betas.nii.gz cannot be read .*CRC"):
        read_betas(path, np.ones(GRID, dtype=bool))


@pytest.mark.parametrize(("rows", "said"), [(3, "table is too short"), (5, "betas are too few")])
def test_table_and_volumes_must_agree_in_number(tmp_path, rows, said):
    path = write_volume(tmp_path / "betas.nii.gz", ramp(4))
    require_session(path, GRID, AFFINE, 4)
    with pytest.raises(ValueError, match=f"4 volumes, but its table of trials has {rows}.*{said}"):
        require_session(path, GRID, AFFINE, rows)


def test_another_grid_is_refused_by_shape_or_affine(tmp_path):
    path = write_volume(tmp_path / "betas.nii.gz", ramp(4))
    with pytest.raises(
        ValueError, match=re.escape("has grid (4, 5, 3), but the ROI has (4, 5, 4)")
    ):
        require_session(path, (4, 5, 4), AFFINE, 4)
    moved = AFFINE.copy()
    moved[0, 3] = 1.5
    with pytest.raises(ValueError, match=r"affine differs from the ROI's by up to 1.5"):
        require_session(path, GRID, moved, 4)
    one = write_volume(tmp_path / "one.nii.gz", ramp(1)[..., 0])
    with pytest.raises(ValueError, match=r"four axes, \(x, y, z, trials\)"):
        require_session(one, GRID, AFFINE, 1)


def test_masks_are_found_by_label_by_set_and_under_their_old_names(rois):
    root, masks = rois
    assert list(find_regions(root, 1)) == ["face:FFA1", "retinotopy:V1d", "retinotopy:V1v"]
    both = masks["V1v"] | masks["V1d"]
    for roi, expected in (
        ("V1v", masks["V1v"]),
        ("V1v+V1d", both),
        ("retinotopy:V1d", masks["V1d"]),
        ("retinotopy", both),
        ("FFA1", masks["FFA-1"]),
        ("FFA-1", masks["FFA-1"]),
    ):
        np.testing.assert_array_equal(read_region(root, 1, roi).mask, expected)


def test_labels_of_voxels_keep_overlapping_masks_apart(rois):
    root, masks = rois
    region = read_region(root, 1, "retinotopy")
    values, names = labels_of_voxels(root, 1, region)
    assert names == {"FFA1": {1: "FFA1"}, "V1d": {1: "V1d"}, "V1v": {1: "V1v"}}
    for atlas, label in (("FFA1", "FFA-1"), ("V1v", "V1v"), ("V1d", "V1d")):
        np.testing.assert_array_equal(values[atlas] > 0, masks[label][region.mask])


def test_a_region_that_is_not_there_is_refused_with_the_likely_one(rois):
    root, _ = rois
    with pytest.raises(LookupError, match=r"no ROI `V1x`; there are FFA1.*Did you mean `V1v`"):
        read_region(root, 1, "V1x")
    with pytest.raises(LookupError, match=r"no set of ROIs `prf`. Pick one of face, retinotopy"):
        read_region(root, 1, "prf:V1v")
    write_volume(roi_path(root, "motion", "V1v"), np.ones(GRID, dtype=np.uint8))
    with pytest.raises(LookupError, match=r"Say which: motion:V1v or retinotopy:V1v"):
        read_region(root, 1, "V1v")
    assert read_region(root, 1, "motion:V1v").mask.all()
    write_volume(roi_path(root, "motion", "MT"), np.zeros(GRID, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"`MT` has no voxel in sub-01"):
        read_region(root, 1, "MT")
    with pytest.raises(FileNotFoundError, match=r"sub-03 holds no mask such as"):
        read_region(root, 3, "V1v")


def test_masks_of_one_region_must_lie_on_one_grid(rois):
    root, _ = rois
    moved = AFFINE.copy()
    moved[2, 3] = -3
    write_volume(roi_path(root, "retinotopy", "V1d"), np.ones(GRID, dtype=np.uint8), moved)
    with pytest.raises(ValueError, match=r"V1v_mask.nii.gz: its affine differs"):
        read_region(root, 1, "retinotopy")


def test_ncsnr_is_what_gives_the_published_noise_ceiling(rois):
    root, _ = rois
    region = read_region(root, 1, "retinotopy")
    assert read_ncsnr(root, 1, region) is None
    ceiling = np.random.default_rng(2).uniform(0, 95, GRID).astype(np.float32)
    path = write_volume(root / layout.noise_ceiling_path(1), ceiling)
    squared = read_ncsnr(root, 1, region).astype(np.float64) ** 2
    np.testing.assert_allclose(
        100 * squared / (squared + 1 / 4), ceiling[region.mask], rtol=1e-5, atol=1e-5
    )
    write_volume(path, ceiling / 100)
    with pytest.raises(ValueError, match=r"a percentage from 0 to 100"):
        read_ncsnr(root, 1, region)


def write_split(path, train, test):
    path.parent.mkdir(parents=True, exist_ok=True)
    variant = {"variant_id": 0, "train_ids": train, "test_ids": test}
    path.write_text(json.dumps({"name": "tau", "pool": "p", "variants": [variant]}))
    return path


def test_splits_are_found_by_name_by_pool_and_by_path(tmp_path):
    own = write_split(tmp_path / "splits/sub-01/tau.json", [OWN], [SHARED])
    write_split(tmp_path / "splits/shared/tau.json", [SHARED], ["shared_4rep_B.png"])
    found = read_split(tmp_path, "tau", 1)
    assert (found.train, found.test, found.name) == ({OWN}, {SHARED}, "sub-01/tau")
    assert read_split(tmp_path, "shared/tau", 1).train == {SHARED}
    assert read_split(tmp_path / "elsewhere", str(own), 1).test == {SHARED}
    with pytest.raises(FileNotFoundError, match=r"splits/sub-01/ood.json is missing"):
        read_split(tmp_path, "ood", 1)
    with pytest.raises(LookupError, match=r"no published split `special`.*tau, ood"):
        read_split(tmp_path, "special", 1)
    with pytest.raises(LookupError, match=r"no published split `sub-03/tau`"):
        read_split(tmp_path, "sub-03/tau", 1)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([OWN, SHARED], [SHARED], "1 images stand in train and in test, first ['shared_12rep_A"),
        (["unique_A_p05.jpg"], [SHARED], "one of subject 7's"),
        (["cat.jpg"], [SHARED], "names image `cat.jpg`"),
        ([], [], "is no split file of LAION-fMRI"),
        ([1], [SHARED], "is no split file of LAION-fMRI"),
    ],
)
def test_a_wrong_split_is_refused_by_what_is_wrong_with_it(tmp_path, train, test, said):
    path = write_split(tmp_path / "split.json", train, test)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_split(tmp_path, str(path), 1)


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
