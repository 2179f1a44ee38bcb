"""Whose statistics scale which trials, against slow definitions."""

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.splits import SPLITS


def test_every_trial_is_its_z_score_by_the_training_trials_of_its_session(
    tree, prepared, named_trials
):
    train_names = {entry[2] for entry in named_trials(prepared, "train")}
    found = 0
    for split in SPLITS:
        for session, run, name, _, trial, betas in named_trials(prepared, split):
            row = trial - tree.num_trials * (session - 1)
            assert tree.labels[session][row] == name
            assert run == 1 + row // 12
            expected = tree.expected_z(session, train_names)[row]
            np.testing.assert_allclose(betas, expected, atol=4e-3)
            found += 1
    assert found == 2 * tree.num_trials


def test_test_trials_change_training_rows_only_where_the_manifest_says_so(own, prepare, tmp_path):
    changed = own.betas[1].copy()
    changed[..., [name in own.shared_names for name in own.labels[1]]] += 50
    first = {
        scope: prepare(own.root, tmp_path / f"{scope}-1", zscore=scope)
        for scope in ("session-train", "session-all", "train-global", "none")
    }
    own.write_session(1, changed, own.labels[1])
    for scope, path in first.items():
        again = prepare(own.root, tmp_path / f"{scope}-2", zscore=scope)
        before, after = (PreparedSubject(one).table("train").betas for one in (path, again))
        assert np.array_equal(before, after) == (scope != "session-all")
        flags = PreparedSubject(again).manifest["transductive"]
        assert flags == (["zscore:session-all"] if scope == "session-all" else [])


def test_one_scale_for_all_sessions_is_that_of_all_training_trials(
    tree, prepare, named_trials, tmp_path
):
    out = prepare(tree.root, tmp_path / "out", zscore="train-global")
    prepared = PreparedSubject(out)
    train_names = {entry[2] for entry in named_trials(prepared, "train")}
    betas = np.concatenate([tree.betas[session][tree.mask].T for session in (1, 2)])
    rows = [name in train_names for session in (1, 2) for name in tree.labels[session]]
    train = betas[rows].astype(np.float64)
    table = prepared.table("test")
    expected = (betas[table.trials] - train.mean(0)) / train.std(0, ddof=1)
    np.testing.assert_allclose(table.betas, expected, atol=4e-3)


def test_a_voxel_without_numbers_is_zero_in_its_session_and_counted(own, prepare, tmp_path):
    betas = own.betas[1].copy()
    voxel = np.argwhere(own.mask)[7]
    betas[(*voxel, 5)] = np.nan
    # 1 % of voxels may be without data: take a region that is large enough.
    everywhere = np.ones(own.mask.shape, dtype=np.uint8)
    own.write_roi("all", everywhere)
    own.write_session(1, betas, own.labels[1])
    out = prepare(own.root, tmp_path / "out", roi="all")
    prepared = PreparedSubject(out)
    column = int(np.ravel_multi_index(tuple(voxel), own.mask.shape))
    for split in SPLITS:
        table = prepared.table(split)
        assert (table.betas[table.sessions == 1, column] == 0).all()
        assert (table.betas[table.sessions == 2, column] != 0).any()
        assert np.isfinite(table.betas).all()
    assert prepared.bundle.provenance["unusable_voxels"] == {"1": 1, "2": 0}
    betas[3] = np.nan
    own.write_session(1, betas, own.labels[1])
    with pytest.raises(ValueError, match=r"21 of 120 voxels are constant or not finite"):
        prepare(own.root, tmp_path / "more", roi="all")
    assert not (tmp_path / "more").exists()
