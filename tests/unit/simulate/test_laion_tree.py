"""The made-up LAION-fMRI: read back here with nibabel and the standard library alone."""

import csv
import dataclasses
import json
import re
from collections import Counter

import nibabel
import numpy as np
import pytest
from PIL import Image

from mindeye import laion_layout as layout
from mindeye.simulate.laion_tree import NUM_OWN, simulate_laion_tree
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import PRESETS

CONFIG = dataclasses.replace(PRESETS["tiny"], invalid_voxels=2)
FUNC = "derivatives/glmsingle-tedana/sub-05/ses-{0:02d}/func/sub-05_ses-{0:02d}_task-images_{1}"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated") / "laion"
    simulate_laion_tree(root, CONFIG, subject=5, seed=4)
    return root


def rows_of(root, session):
    path = root / FUNC.format(session, "desc-SingletrialBetas_trials.tsv")
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def volumes_of(root, session):
    name = "space-T1w_stat-effect_desc-SingletrialBetas_statmap.nii.gz"
    return nibabel.load(root / FUNC.format(session, name))


def mask_of(root, roi_set, label):
    name = f"sub-05_space-T1w_res-1pt8_label-{label}_mask.nii.gz"
    return nibabel.load(root / "derivatives/rois/sub-05" / roi_set / name)


def test_each_volume_has_a_row_that_counts_it(root):
    for session in (1, 2):
        rows, image = rows_of(root, session), volumes_of(root, session)
        assert image.shape == (*CONFIG.grid, len(rows))
        assert image.get_data_dtype() == np.float32
        assert [int(row["beta_index"]) for row in rows] == list(range(len(rows)))
        assert {row["session"] for row in rows} == {f"ses-{session:02d}"}
        runs = [int(row["run"]) for row in rows]
        assert runs == sorted(runs)
        assert set(runs) == set(range(1, 13))


def test_no_image_is_shown_more_than_three_times_a_session_or_than_its_name_says(root):
    counts = [Counter(row["label"] for row in rows_of(root, session)) for session in (1, 2)]
    assert max(max(one.values()) for one in counts) == 3
    together = counts[0] + counts[1]
    for name, count in together.items():
        assert count == (6 if "12rep" in name else 4)
    own = [name for name in together if name.startswith("unique_")]
    assert len(own) == NUM_OWN
    assert all(name.endswith("_p03.png") for name in own)


def test_every_shown_image_has_its_picture_and_odd_ones_are_transparent_outside(root):
    for row in rows_of(root, 1):
        with Image.open(root / "stimuli/images" / row["label"]) as picture:
            assert picture.size == (64, 64)
            assert picture.mode == ("RGBA" if "_OOD_" in row["label"] else "RGB")
            if picture.mode == "RGBA":
                alpha = np.asarray(picture)[..., 3]
                assert alpha[0, 0] == 0
                assert alpha[32, 32] == 255


def test_betas_are_numbers_in_the_brain_but_for_the_voxels_that_were_lost(root):
    values = np.asarray(volumes_of(root, 1).dataobj)
    lost = np.isnan(values).all(-1)
    assert np.isnan(values).any(-1).sum() == lost.sum()
    region = mask_of(root, "laion", "laiongeneral")
    inside = np.asarray(region.dataobj) > 0
    assert inside.sum() == CONFIG.num_voxels
    assert not lost[inside].any()
    assert 0.5 < values[inside].std(1).mean() < 5
    np.testing.assert_allclose(region.affine, volumes_of(root, 1).affine)
    early = np.asarray(mask_of(root, "retinotopy", "V1v").dataobj) > 0
    assert early.any()
    assert (np.asarray(mask_of(root, "laion", "laionEVC").dataobj) > 0)[early & inside].all()


def test_repeats_of_an_image_are_alike_as_the_noise_ceiling_says(root):
    name = "sub-05_task-images_space-T1w_desc-Noiseceiling4rep_statmap.nii.gz"
    path = root / "derivatives/glmsingle-tedana/sub-05" / name
    ceiling = np.asarray(nibabel.load(path).dataobj)
    assert ceiling.min() >= 0
    assert 20 < ceiling.max() < 100
    inside = np.asarray(mask_of(root, "laion", "laiongeneral").dataobj) > 0
    labels, betas = [], []
    for session in (1, 2):
        values = np.asarray(volumes_of(root, session).dataobj)[inside]
        betas.append((values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True))
        labels += [row["label"] for row in rows_of(root, session)]
    betas, (names, rows) = np.concatenate(betas, axis=1), np.unique(labels, return_inverse=True)
    within = np.mean([betas[:, rows == one].var(1, ddof=1) for one in range(len(names))], axis=0)
    found = 1 - within
    planted = ceiling[inside] / (400 - 3 * ceiling[inside])
    assert np.corrcoef(found, planted)[0, 1] > 0.8


def test_two_subjects_share_pictures_but_not_their_grid(root, tmp_path):
    one_session = dataclasses.replace(CONFIG, sessions=1)
    simulate_laion_tree(tmp_path / "other", one_session, subject=1, seed=4)
    shared = "stimuli/images/shared_12rep_SIM_0_i0.png"
    assert (tmp_path / "other" / shared).read_bytes() == (root / shared).read_bytes()
    own = "stimuli/images/unique_SIM_0_{}.png"
    mine, other = root / own.format("p03"), tmp_path / "other" / own.format("p01")
    assert mine.read_bytes() != other.read_bytes()
    masks = (tmp_path / "other/derivatives/rois/sub-01").rglob("*laiongeneral_mask.nii.gz")
    affine = nibabel.load(next(masks)).affine
    assert np.abs(affine - mask_of(root, "laion", "laiongeneral").affine).max() > 1


def test_splits_divide_what_was_shown(root):
    for name in ("ood", "random_0"):
        (variant,) = json.loads((root / f"splits/sub-05/{name}.json").read_text())["variants"]
        train, test = set(variant["train_ids"]), set(variant["test_ids"])
        assert train
        assert not train & test
        assert all("_OOD_" in one for one in test) == (name == "ood")
        assert not any("_OOD_" in one for one in train)


def test_it_says_that_it_is_made_up_and_is_kept_only_for_the_same_request(root, tmp_path):
    marker = json.loads((root / "SIMULATED.json").read_text())
    assert marker["simulated"] is True
    assert marker["layout"] == "laion-fmri"
    before = (root / "SIMULATED.json").stat().st_mtime_ns
    simulate_laion_tree(root, CONFIG, subject=5, seed=4)
    assert (root / "SIMULATED.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"seed 4 in the layout of laion-fmri, not .*seed 5"):
        simulate_laion_tree(root, CONFIG, subject=5, seed=5)
    with pytest.raises(ValueError, match=r"in the layout of laion-fmri, not preset `tiny`, subj"):
        simulate_nsd_tree(root, CONFIG, subject=5, seed=4)
    with pytest.raises(LookupError, match=re.escape("subjects 1, 3, 5, 6, 7, not 2")):
        simulate_laion_tree(tmp_path / "two", CONFIG, subject=2, seed=4)
    many = dataclasses.replace(CONFIG, sessions=40)
    with pytest.raises(ValueError, match=r"40 sessions asked for"):
        simulate_laion_tree(tmp_path / "many", many, subject=5, seed=4)
    assert layout.SIMULATED_FILE == "SIMULATED.json"
    assert not (tmp_path / "two").exists()
