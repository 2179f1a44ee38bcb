"""Protocols and z-score scopes from a tree to a prepared folder."""

import logging

import numpy as np
import pytest

from mindeye import nsd_layout
from mindeye.data.batches import PreparedSubject
from mindeye.data.prepare import prepare_nsd
from mindeye.data.splits import SPLITS


def psc(tree):
    """All trials of all sessions."""
    voxels = [raw[tree.mask()].T.astype(np.float64) / 300 for raw in tree.raw]
    return np.concatenate(voxels)


def prepared_by(tree, out, **settings):
    return PreparedSubject(prepare_nsd(tree.root, subject=1, out=out, **settings))


def test_the_first_release_averages_to_the_mean_of_its_trials(long_tree, tmp_path, monkeypatch):
    monkeypatch.setitem(nsd_layout.SESSIONS, 1, 5)
    prepared = prepared_by(long_tree, tmp_path / "a", protocol="nsd-37-avg", zscore="none")
    assert prepared.manifest["sessions"] == [1, 2]
    assert prepared.manifest["protocol"] == "nsd-37-avg"
    repeats, betas = prepared.repeats("test"), psc(long_tree)[:1500]
    shared = long_tree.image_ids[:1500][long_tree.is_shared[:1500]]
    assert repeats.image_ids.tolist() == sorted(set(shared.tolist()))
    for image_id, mean in zip(repeats.image_ids.tolist(), repeats.mean().numpy()):
        shown = betas[long_tree.image_ids[:1500] == image_id]
        np.testing.assert_allclose(mean, shown.mean(0), rtol=2e-3, atol=2e-3)


def test_shared_images_that_are_not_special_are_in_no_shard(written, tmp_path, monkeypatch):
    monkeypatch.setattr(nsd_layout, "SESSIONS", {1: 2, **{one: 1 for one in range(2, 9)}})
    prepared = prepared_by(written, tmp_path / "a", protocol="nsd-special515")
    image_ids, is_shared = written.image_ids[:1500], written.is_shared[:1500]
    first = image_ids[:750].tolist()
    special = {one for one in image_ids[is_shared].tolist() if first.count(one) == 3}
    assert 0 < len(special) < 50
    for split in SPLITS:
        table = prepared.table(split)
        if split == "test":
            assert set(table.image_ids.tolist()) == special
            assert len(table.trials) == 3 * len(special)
        else:
            assert not is_shared[table.trials].any()
    assert set(prepared.image_ids.tolist()) == special | set(image_ids[~is_shared].tolist())


def test_held_out_sessions_are_tested_on_new_images_alone(long_tree, tmp_path):
    prepared = prepared_by(long_tree, tmp_path / "a", protocol="nsd-session-heldout")
    assert prepared.manifest["transductive"] == ["zscore:held-out-sessions"]
    image_ids = long_tree.image_ids[:3750]
    test = prepared.table("test")
    new = [t for t in range(1500, 3750) if image_ids[t] not in set(image_ids[:1500].tolist())]
    assert test.trials.tolist() == new
    for split in ("train", "validation"):
        assert prepared.table(split).trials.max() < 1500


def test_held_out_sessions_are_scored_by_their_trials_of_training_images(long_tree, tmp_path):
    sessions = {"sessions": [1, 2, 3, 4], "protocol": "nsd-session-heldout"}
    prepared = prepared_by(long_tree, tmp_path / "a", **sessions)
    train = set(prepared.table("train").image_ids.tolist())
    betas, image_ids = psc(long_tree)[750:1500], long_tree.image_ids[750:1500]
    of_training = betas[[image_id in train for image_id in image_ids.tolist()]]
    assert len(of_training) > 100
    np.testing.assert_allclose(prepared.bundle.mean[1], of_training.mean(0), rtol=1e-5)
    np.testing.assert_allclose(prepared.bundle.std[1], of_training.std(0, ddof=1), rtol=1e-5)


def test_train_global_is_one_z_score_by_all_training_trials(written, tmp_path):
    prepared = prepared_by(written, tmp_path / "a", zscore="train-global")
    betas, tables = psc(written), {split: prepared.table(split) for split in SPLITS}
    train = betas[tables["train"].trials]
    z = (betas - train.mean(0)) / train.std(0, ddof=1)
    for table in tables.values():
        np.testing.assert_allclose(table.betas, z[table.trials], atol=3e-3)
    for session in (0, 1):
        np.testing.assert_allclose(prepared.bundle.mean[session], train.mean(0), rtol=1e-5)
        np.testing.assert_allclose(prepared.bundle.std[session], train.std(0, ddof=1), rtol=1e-5)
    assert prepared.manifest["transductive"] == []


@pytest.mark.parametrize(
    ("scope", "sees_the_test"),
    [("session-train", False), ("train-global", False), ("session-all", True)],
)
@pytest.mark.parametrize("shift", [-400, 700])
def test_test_betas_move_training_rows_only_where_the_scope_sees_them(
    own_tree, tmp_path, rewrite_betas, scope, sees_the_test, shift
):
    before = prepared_by(own_tree, tmp_path / "a", zscore=scope)
    raw = own_tree.raw[0].copy()
    raw[..., own_tree.is_shared[:750]] += shift
    rewrite_betas(own_tree.betas, 1, raw)
    after = prepared_by(own_tree, tmp_path / "b", zscore=scope)
    assert (before.table("test").betas != after.table("test").betas).any()
    for split in ("train", "validation"):
        same = (before.table(split).betas == after.table(split).betas).all()
        assert same != sees_the_test
    assert bool(after.manifest["transductive"]) == sees_the_test


def test_a_voxel_that_left_the_slab_in_one_session_is_zero_there_alone(
    own_tree, tmp_path, rewrite_betas
):
    raw = own_tree.raw[1].copy()
    raw[tuple(np.argwhere(own_tree.mask())[40])] = 0
    rewrite_betas(own_tree.betas, 2, raw)
    prepared = prepared_by(own_tree, tmp_path / "a", zscore="train-global")
    first = psc(own_tree)[:750, 40]
    for split in SPLITS:
        table = prepared.table(split)
        assert (table.betas[table.sessions == 2, 40] == 0).all()
        assert (table.betas[table.sessions == 1, 40] != 0).any()
    rows = prepared.table("train").trials
    np.testing.assert_allclose(
        prepared.bundle.mean[0, 40], first[rows[rows < 750]].mean(), rtol=1e-5
    )


def test_no_validation_is_a_choice(written, tmp_path):
    prepared = prepared_by(written, tmp_path / "a", validation_share=0.0)
    splits = prepared.manifest["splits"]
    assert splits["validation"] == {"shards": [], "num_trials": 0, "num_images": 0}
    assert splits["train"]["num_images"] == 450
    assert len(prepared.repeats("validation").image_ids) == 0
    with pytest.raises(ValueError, match=r"prepared with validation_share 0.0, not 0.05"):
        prepare_nsd(written.root, subject=1, out=tmp_path / "a")


def test_a_tree_that_claims_to_be_real_and_is_unlike_nsd_is_told(
    written, own_tree, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(nsd_layout, "SESSIONS", {one: 2 for one in range(1, 9)})
    with caplog.at_level(logging.WARNING):
        prepared_by(written, tmp_path / "a", protocol="nsd-special515")
    assert "has 50 test images, not 515 as NSD itself" in caplog.text
    caplog.clear()
    (own_tree.root / "SIMULATED.json").write_text("{}")
    prepared_by(own_tree, tmp_path / "b", protocol="nsd-special515")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"protocol": "nsd-41"}, LookupError, "Unknown protocol `nsd-41`"),
        ({"protocol": "nsd-37-avg", "sessions": [1]}, ValueError, r"takes sessions 1 to 37"),
        ({"protocol": "nsd-37-avg"}, FileNotFoundError, r"betas_session03.hdf5 is missing"),
        ({"protocol": "nsd-special515"}, ValueError, r"\[3, 4, 5, .* are left out"),
        ({"protocol": "nsd-session-heldout"}, ValueError, r"there are only \[1, 2\]"),
    ],
)
def test_a_protocol_refuses_before_anything_is_written(written, tmp_path, wrong, error, message):
    out = tmp_path / "there" / "a"
    with pytest.raises(error, match=message):
        prepare_nsd(written.root, subject=1, out=out, **wrong)
    assert not out.parent.exists()
