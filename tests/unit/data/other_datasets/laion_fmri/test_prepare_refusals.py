"""What a subject cannot be made of is named; nothing is left behind."""

import re
import shutil

import numpy as np
import pytest

from mindeye import laion_layout as layout


def remove(layout_path):
    def change(tree):
        (tree.root / layout_path).unlink()

    return change


def cut_betas(tree):
    path = tree.root / layout.betas_path(3, 2)
    path.write_bytes(path.read_bytes()[:-500])


def other_grid(tree):
    betas = np.concatenate([tree.betas[2], tree.betas[2][:1]])
    tree.write_session(2, betas, tree.labels[2])


def other_subjects_mask(tree):
    moved = tree.affine.copy()
    moved[1, 3] += 12
    tree.write_roi("laiongeneral", tree.mask.astype(np.uint8), moved)


def fewer_rows(tree):
    tree.write_session(2, tree.betas[2], tree.labels[2][:-1])


def more_rows(tree):
    tree.write_session(2, tree.betas[2], [*tree.labels[2], tree.own_names[0]])


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (remove(layout.betas_path(3, 1)), FileNotFoundError, "ses-01_task-images_space-T1w"),
        (remove(layout.trials_path(3, 2)), FileNotFoundError, "trials.tsv is missing"),
        (cut_betas, ValueError, "Was it cut off"),
        (fewer_rows, ValueError, "24 volumes, but its table of trials has 23 rows"),
        (more_rows, ValueError, "24 volumes, but its table of trials has 25 rows"),
        (other_grid, ValueError, "has grid (7, 5, 4), but the ROI has (6, 5, 4)"),
        (other_subjects_mask, ValueError, "affine differs from the ROI's by up to 12"),
        (
            remove("stimuli/shared_4rep_OOD_gabor_b.png"),
            FileNotFoundError,
            "shared_4rep_OOD_gabor_b.png",
        ),
    ],
)
def test_broken_files_are_named_and_nothing_is_left_behind(
    own, prepare, tmp_path, change, kind, said
):
    change(own)
    with pytest.raises(kind, match=re.escape(said)):
        prepare(own.root, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_wrong_wishes_are_refused_with_the_choice(tree, own, prepare, tmp_path):
    for wish, kind, said in (
        ({"subject": 2}, LookupError, "subjects 1, 3, 5, 6, 7, not 2"),
        ({"sessions": [31]}, LookupError, "sessions 1 to 30, not [31]"),
        ({"sessions": [1, 1]}, ValueError, "name each one once"),
        ({"sessions": [3]}, FileNotFoundError, "ses-03"),
        ({"zscore": "run"}, LookupError, "Unknown z-score scope `run`"),
        ({"split": "ood"}, FileNotFoundError, "splits/sub-03/ood.json is missing"),
        ({"stimuli": tmp_path / "absent"}, FileNotFoundError, "absent is no folder"),
        ({"root": tmp_path}, FileNotFoundError, "holds no mask"),
    ):
        options = {"root": own.root, "out": tmp_path / "out"} | wish
        with pytest.raises(kind, match=re.escape(said)):
            prepare(**options)
    own.write_split(own.own_names, own.shared_names[:1] + own.own_names[:1])
    with pytest.raises(ValueError, match=r"1 images stand in train and in test"):
        prepare(own.root, tmp_path / "out", split="tau")
    shutil.rmtree(own.root / layout.glm_folder(3))
    with pytest.raises(FileNotFoundError, match=r"and so is every other session"):
        prepare(own.root, tmp_path / "out")
