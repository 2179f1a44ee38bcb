import json

import numpy as np
import pytest
import torch

from mindeye.data.batches import PreparedSubject, epoch_order
from mindeye.data.splits import SPLITS


def test_an_epoch_depends_on_its_arguments_alone():
    first = epoch_order(103, 10, seed=1, epoch=2)
    np.testing.assert_array_equal(first, epoch_order(103, 10, seed=1, epoch=2))
    for other in (epoch_order(103, 10, seed=1, epoch=3), epoch_order(103, 10, seed=2, epoch=2)):
        assert (first != other).mean() > 0.9


def test_an_epoch_takes_each_trial_at_most_once():
    order = epoch_order(103, 10, seed=0, epoch=0)
    assert order.shape == (10, 10)
    assert len(np.unique(order)) == 100
    assert order.max() < 103


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="Batches of 11 cannot be made of 10 training images"):
        epoch_order(10, 11, seed=0, epoch=0)


def test_repeats_are_the_trials_of_each_image(prepared_path):
    prepared = PreparedSubject(prepared_path)
    trials, repeats = prepared.trials("test"), prepared.repeats("test")
    assert trials.betas.dtype == repeats.betas.dtype == torch.float16
    assert repeats.image_ids.tolist() == sorted(set(trials.image_ids.tolist()))
    assert repeats.present.sum() == len(trials.betas)
    for row, image_id in enumerate(repeats.image_ids):
        shown = trials.betas[trials.image_ids == image_id]
        assert torch.equal(repeats.betas[row][repeats.present[row]], shown)
    assert torch.isfinite(repeats.mean()).all()


def test_pictures_are_mapped_read_only_and_belong_to_the_ids(prepared_path, expected_picture):
    prepared = PreparedSubject(prepared_path)
    assert isinstance(prepared.images, np.memmap)
    assert not prepared.images.flags.writeable
    chosen = prepared.image_ids[[7, 3]]
    for row, image_id in zip(prepared.rows_of(chosen), chosen):
        np.testing.assert_array_equal(prepared.images[row], expected_picture(image_id))
    with pytest.raises(LookupError, match=r"has no image \[73000\]"):
        prepared.rows_of(np.array([chosen[0], 73000]))


def test_regions_of_voxels_follow_the_atlases(prepared_path, written):
    areas = PreparedSubject(prepared_path).roi_of_voxels()
    labels = written.atlases["prf-visualrois"][written.mask()]
    assert list(areas) == ["V1", "V2", "V3", "hV4", "ventral"]
    np.testing.assert_array_equal(areas["V1"], (labels == 1) | (labels == 2))
    np.testing.assert_array_equal(areas["hV4"], labels == 7)


def test_an_unknown_split_is_refused(prepared_path):
    with pytest.raises(LookupError, match=r"no split `val`. Pick one of train, validation, test"):
        PreparedSubject(prepared_path).trials("val")


def test_a_folder_that_is_not_prepared_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"manifest.json is missing"):
        PreparedSubject(tmp_path)


def test_a_shorter_and_a_missing_file_are_named_on_opening(own_prepared):
    path = own_prepared / "train-000000.tar"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=rf"train-000000.tar has {len(content) - 1} bytes, but"):
        PreparedSubject(own_prepared)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"train-000000.tar is missing"):
        PreparedSubject(own_prepared)


def test_a_changed_byte_is_found_on_demand(own_prepared):
    path = own_prepared / "images.npy"
    content = bytearray(path.read_bytes())
    PreparedSubject(own_prepared).verify()
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"images.npy has SHA-256 .* changed since"):
        PreparedSubject(own_prepared).verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest.update(schema=2), "has schema 2, this version reads 1"),
        (lambda manifest: manifest.pop("protocol"), "lacks protocol"),
    ],
)
def test_another_manifest_is_refused(own_prepared, change, message):
    path = own_prepared / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=message):
        PreparedSubject(own_prepared)


def test_a_bundle_of_another_subject_is_refused(own_prepared):
    path = own_prepared / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["voxel_hash"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="the manifest 000000000000"):
        _ = PreparedSubject(own_prepared).bundle


def test_image_ids_of_a_split_are_told_without_its_betas(prepared_path):
    prepared = PreparedSubject(prepared_path)
    for split in SPLITS:
        expected = np.unique(prepared.table(split).image_ids)
        np.testing.assert_array_equal(prepared.image_ids_of(split), expected)
    with pytest.raises(LookupError, match="no split `val`"):
        prepared.image_ids_of("val")


def test_a_damaged_shard_tells_no_image_ids(own_prepared):
    prepared = PreparedSubject(own_prepared)
    path = own_prepared / "test-000000.tar"
    path.write_bytes(path.read_bytes()[:-30000])
    with pytest.raises(ValueError, match=r"test-000000.tar cannot be read"):
        prepared.image_ids_of("test")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"test-000000.tar is missing"):
        prepared.image_ids_of("test")
