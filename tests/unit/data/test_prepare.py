import json

import numpy as np

from mindeye.data.batches import PreparedSubject
from mindeye.data.prepare import prepare_nsd
from mindeye.data.splits import SPLITS


def psc(written, session):
    return written.raw[session - 1][written.mask()].T.astype(np.float64) / 300


def test_every_trial_is_its_z_score_by_training_trials(written, prepared_path):
    prepared = PreparedSubject(prepared_path)
    tables = {split: prepared.table(split) for split in SPLITS}
    assert sum(len(table.betas) for table in tables.values()) == 1500
    for session in (1, 2):
        betas = psc(written, session)
        train = tables["train"]
        rows = train.trials[train.sessions == session] - 750 * (session - 1)
        mean, std = betas[rows].mean(0), betas[rows].std(0, ddof=1)
        np.testing.assert_allclose(prepared.bundle.mean[session - 1], mean, rtol=1e-5)
        np.testing.assert_allclose(prepared.bundle.std[session - 1], std, rtol=1e-5)
        z = (betas - mean) / std
        for table in tables.values():
            here = table.sessions == session
            chosen = table.trials[here] - 750 * (session - 1)
            np.testing.assert_allclose(table.betas[here], z[chosen], atol=3e-3)


def test_the_mean_map_is_the_mean_of_all_training_trials(written, prepared_path):
    prepared = PreparedSubject(prepared_path)
    betas = np.concatenate([psc(written, 1), psc(written, 2)])
    expected = betas[prepared.table("train").trials].mean(0)
    np.testing.assert_allclose(prepared.bundle.mean_map, expected, rtol=1e-5)


def test_ids_and_repeats_are_those_of_the_design(written, prepared_path):
    prepared = PreparedSubject(prepared_path)
    for split in SPLITS:
        table = prepared.table(split)
        np.testing.assert_array_equal(table.image_ids, written.image_ids[table.trials])
        assert (written.is_shared[table.trials] == (split == "test")).all()
        for trial, repeat in zip(table.trials, table.repeats):
            before = written.image_ids[:trial] == written.image_ids[trial]
            assert before.sum() == repeat


def test_no_image_is_in_two_splits(prepared_path):
    prepared = PreparedSubject(prepared_path)
    ids = [np.unique(prepared.table(split).image_ids) for split in SPLITS]
    together = np.concatenate(ids)
    assert len(np.unique(together)) == len(together)
    np.testing.assert_array_equal(np.sort(together), prepared.image_ids)


def change_test_trials(tree, rewrite_betas):
    raw = tree.raw[0].copy()
    raw[..., tree.is_shared[:750]] += 500
    rewrite_betas(tree.betas, 1, raw)


def test_test_trials_never_move_training_trials(own_tree, prepared_path, tmp_path, rewrite_betas):
    change_test_trials(own_tree, rewrite_betas)
    other = PreparedSubject(prepare_nsd(own_tree.root, subject=1, out=tmp_path / "a"))
    first = PreparedSubject(prepared_path)
    assert first.manifest["transductive"] == []
    for split in ("train", "validation"):
        np.testing.assert_array_equal(first.table(split).betas, other.table(split).betas)
    assert (first.table("test").betas != other.table("test").betas).any()
    np.testing.assert_array_equal(first.bundle.mean_map, other.bundle.mean_map)


def test_the_scope_session_all_sees_the_test_and_says_so(own_tree, tmp_path, rewrite_betas):
    scope = {"subject": 1, "zscore": "session-all"}
    first = PreparedSubject(prepare_nsd(own_tree.root, out=tmp_path / "a", **scope))
    change_test_trials(own_tree, rewrite_betas)
    other = PreparedSubject(prepare_nsd(own_tree.root, out=tmp_path / "b", **scope))
    assert first.manifest["transductive"] == ["zscore:session-all"]
    assert (first.table("train").betas != other.table("train").betas).any()


def test_the_scope_none_keeps_percent_signal(written, tmp_path):
    prepared = PreparedSubject(
        prepare_nsd(written.root, subject=1, out=tmp_path / "a", sessions=[2], zscore="none")
    )
    table = prepared.table("train")
    np.testing.assert_allclose(
        table.betas, psc(written, 2)[table.trials - 750], rtol=1e-3, atol=1e-3
    )


def test_the_same_call_gives_the_same_bytes_from_either_form(
    written, prepared_path, tmp_path, contents
):
    again = prepare_nsd(written.root, subject=1, out=tmp_path / "a", source="nii.gz")
    assert contents(again) == contents(prepared_path)


def test_fewer_sessions_move_no_image_between_splits(written, prepared_path, tmp_path):
    one = PreparedSubject(prepare_nsd(written.root, subject=1, out=tmp_path / "a", sessions=[1]))
    both = PreparedSubject(prepared_path)
    assert one.manifest["sessions"] == [1]
    assert one.bundle.mean.shape == (1, one.num_voxels)
    for split in SPLITS:
        few, many = one.table(split), both.table(split)
        assert len(few.betas) < len(many.betas)
        assert set(few.image_ids) <= set(many.image_ids)
        np.testing.assert_array_equal(few.betas, many.betas[many.sessions == 1])


def test_shared_images_that_were_not_shown_three_times_are_marked_absent(written, tmp_path):
    one = PreparedSubject(prepare_nsd(written.root, subject=1, out=tmp_path / "a", sessions=[2]))
    repeats = one.repeats("test")
    counts = np.array([(written.image_ids[750:1500] == i).sum() for i in repeats.image_ids])
    np.testing.assert_array_equal(repeats.present.sum(1), counts)
    assert counts.min() < 3
    assert (repeats.betas[~repeats.present] == 0).all()


def test_progress_ends_at_all_trials_and_images(written, tmp_path):
    calls = []
    prepare_nsd(
        written.root, subject=1, out=tmp_path / "a", progress=lambda *call: calls.append(call)
    )
    assert ("trials", 750, 1500) in calls
    assert calls[-1] == ("images", 500, 500)


def test_captions_travel_where_the_tree_has_them(own_tree, tmp_path):
    image_id = int(own_tree.image_ids[4])
    path = own_tree.root / "nsddata_stimuli/stimuli/nsd/captions.json"
    path.write_text(json.dumps({str(image_id): "a red fish", "72999999": "not shown"}))
    prepared = PreparedSubject(prepare_nsd(own_tree.root, subject=1, out=tmp_path / "a"))
    assert prepared.captions == {image_id: "a red fish"}


def test_one_dead_voxel_in_a_hundred_is_zero_and_counted(own_tree, tmp_path, rewrite_betas):
    raw = own_tree.raw[1].copy()
    raw[tuple(np.argwhere(own_tree.mask())[40])] = 0
    rewrite_betas(own_tree.betas, 2, raw)
    prepared = PreparedSubject(prepare_nsd(own_tree.root, subject=1, out=tmp_path / "a"))
    assert prepared.manifest["unusable_voxels"] == {"1": 0, "2": 1}
    for split in SPLITS:
        table = prepared.table(split)
        assert np.isfinite(table.betas).all()
        assert (table.betas[table.sessions == 2, 40] == 0).all()
        assert (table.betas[table.sessions == 1, 40] != 0).any()
