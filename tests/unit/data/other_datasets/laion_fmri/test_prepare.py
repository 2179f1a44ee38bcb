"""A prepared subject against its files: splits, repeats, bundle, and what is asked again."""

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.splits import SPLITS


def test_shared_images_are_the_test_and_no_image_is_in_two_splits(tree, prepared, named_trials):
    names = {split: {entry[2] for entry in named_trials(prepared, split)} for split in SPLITS}
    assert names["test"] == set(tree.shared_names)
    shown = {name for labels in tree.labels.values() for name in labels}
    assert names["train"] | names["validation"] == shown - set(tree.shared_names)
    assert not names["train"] & names["validation"]
    assert prepared.manifest["protocol"] == "laion-shared"
    assert prepared.manifest["transductive"] == []


def test_repeats_count_earlier_showings_and_fit_their_batch(tree, prepared, named_trials):
    order = [name for session in (1, 2) for name in tree.labels[session]]
    for split in SPLITS:
        for _, _, name, repeat, trial, _ in named_trials(prepared, split):
            assert repeat == order[:trial].count(name)
    batch = prepared.repeats("test")
    most = max(order.count(name) for name in order)
    assert batch.betas.shape == (3, most, int(tree.mask.sum()))
    assert batch.present.sum() == sum(order.count(name) for name in tree.shared_names)


def test_the_bundle_knows_place_statistics_and_regions(tree, prepared, named_trials):
    bundle = prepared.bundle
    np.testing.assert_array_equal(bundle.coordinates, np.argwhere(tree.mask))
    np.testing.assert_allclose(bundle.affine, tree.affine, atol=1e-6)
    assert (bundle.shape, bundle.space, bundle.sessions) == (tree.mask.shape, "T1w", (1, 2))
    train_names = {entry[2] for entry in named_trials(prepared, "train")}
    chosen = [
        tree.betas[session][tree.mask].T[[name in train_names for name in tree.labels[session]]]
        for session in (1, 2)
    ]
    for number, betas in enumerate(chosen):
        np.testing.assert_allclose(bundle.mean[number], betas.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bundle.std[number], betas.std(0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(
        bundle.mean_map, np.concatenate(chosen).mean(0), rtol=1e-4, atol=1e-5
    )
    assert set(bundle.label_names) == {"laiongeneral", "V1v", "V1d"}
    areas = bundle.roi_of_voxels()
    assert list(areas) == ["V1"]
    assert areas["V1"].all()
    assert np.isnan(bundle.ncsnr).all()
    assert bundle.units == "percent signal change, shrunk by ridge regression"
    assert prepared.manifest["picture_set"] == prepared.manifest["dataset"] == "laion-fmri"


def test_image_ids_do_not_depend_on_the_sessions(tree, prepared, prepare, named_trials, tmp_path):
    alone = PreparedSubject(prepare(tree.root, tmp_path / "one", sessions=[2]))
    assert alone.image_names.items() <= prepared.image_names.items()
    assert set(alone.image_ids_of("validation")) <= set(prepared.image_ids_of("validation"))
    assert {entry[0] for split in SPLITS for entry in named_trials(alone, split)} == {2}


def test_a_published_split_decides_and_leaves_all_other_images_out(
    own, prepare, named_trials, tmp_path
):
    shown = sorted(
        {name for labels in own.labels.values() for name in labels} - set(own.shared_names)
    )
    train, test = [*shown[3:], own.shared_names[0]], [*shown[:2], own.shared_names[1]]
    own.write_split(train, test)
    out = prepare(own.root, tmp_path / "out", split="tau")
    prepared = PreparedSubject(out)
    names = {split: {entry[2] for entry in named_trials(prepared, split)} for split in SPLITS}
    assert names["test"] == set(test)
    assert names["train"] | names["validation"] == set(train)
    assert prepared.manifest["protocol"] == "laion-sub-03/tau"
    assert set(prepared.image_names.values()) == set(train) | set(test)
    table = prepared.table("train")
    row = {trial: position for position, trial in enumerate(table.trials.tolist())}
    session_2 = own.expected_z(2, names["train"])
    for trial in row:
        if trial >= own.num_trials:
            np.testing.assert_allclose(
                table.betas[row[trial]], session_2[trial - own.num_trials], atol=4e-3
            )


def test_trials_without_an_image_are_counted_and_left_out(
    own, prepare, named_trials, tmp_path, caplog
):
    labels = list(own.labels[2])
    labels[4], labels[9] = "blank", ""
    own.write_session(2, own.betas[2], labels)
    out = prepare(own.root, tmp_path / "out")
    prepared = PreparedSubject(out)
    trials = [entry[4] for split in SPLITS for entry in named_trials(prepared, split)]
    assert set(range(2 * own.num_trials)) - set(trials) == {own.num_trials + 4, own.num_trials + 9}
    assert prepared.manifest["unlabelled_trials"] == 2
    assert "2 trials name no image" in caplog.text


def test_the_same_request_returns_at_once_and_other_files_are_refused(own, prepare, tmp_path):
    out = tmp_path / "out"
    prepare(own.root, out)
    before = (out / "manifest.json").stat().st_mtime_ns
    prepare(own.root, out)
    assert (out / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"was prepared with roi laiongeneral, not V1v"):
        prepare(own.root, out, roi="V1v")
    own.write_session(1, own.betas[1] * 2, own.labels[1])
    with pytest.raises(ValueError, match=r"SingletrialBetas_statmap.nii.gz differ"):
        prepare(own.root, out)
