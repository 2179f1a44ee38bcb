import tarfile

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.peers.mindeye1 import prepare_mindeye1, real_repeats

PARTS = {"train": "train", "validation": "val", "test": "test"}


@pytest.fixture
def prepare(tmp_path):
    """Toy -> its prepared subject."""
    return lambda toy, **chosen: PreparedSubject(
        prepare_mindeye1(toy.folder, **{"subject": 7, "out": tmp_path / "there" / "a", **chosen})
    )


def test_every_real_repeat_is_there_once_in_its_split(mindeye1, prepare):
    prepared = prepare(mindeye1)
    for split, part in PARTS.items():
        repeats = prepared.repeats(split)
        assert repeats.image_ids.tolist() == sorted(mindeye1.ids[part])
        for row, image_id in enumerate(repeats.image_ids.tolist()):
            expected = np.stack(mindeye1.betas[image_id]).astype(np.float16)
            present = repeats.present[row].numpy()
            assert present.sum() == len(expected)
            np.testing.assert_array_equal(repeats.betas[row].numpy()[present], expected)
    assert prepared.manifest["splits"]["test"]["num_trials"] == 1 + 2 + 3


def test_the_pictures_are_those_of_their_ids(mindeye1, prepare):
    prepared = prepare(mindeye1)
    assert prepared.image_ids.tolist() == sorted(mindeye1.pictures)
    for image_id, picture in zip(prepared.image_ids.tolist(), prepared.images):
        difference = np.abs(picture.astype(int) - mindeye1.pictures[image_id].astype(int))
        assert difference.max() <= 3  # JPEG


def test_the_folder_says_what_is_known_and_what_is_not(mindeye1, prepare):
    prepared = prepare(mindeye1)
    manifest, bundle = prepared.manifest, prepared.bundle
    assert manifest["dataset"] == "mindeye1"
    assert manifest["protocol"] == "nsd-37-avg"
    assert manifest["sessions"] == list(range(1, 38))
    assert (manifest["zscore"], manifest["transductive"]) == ("unknown", ["zscore:unknown"])
    assert bundle.coordinates is None
    assert "published without coordinates" in bundle.provenance["mask"]
    assert np.isnan(bundle.mean_map).all()
    prepared.verify()


def test_the_tars_may_be_given_themselves_and_a_second_call_keeps_all(mindeye1, prepare, contents):
    first = prepare(mindeye1)
    before = contents(first.path)
    tars = mindeye1._replace(folder=mindeye1.folder / "webdataset_avg_split")
    prepare(tars)
    assert contents(first.path) == before


def test_another_download_is_refused(own_mindeye1, prepare, rewrite_tar, mindeye1_files):
    prepare(own_mindeye1)
    path = own_mindeye1.folder / "webdataset_avg_split/val/val_subj07_0.tar"
    image_id = own_mindeye1.ids["val"][0]
    sample = mindeye1_files(image_id, own_mindeye1.betas[image_id], own_mindeye1.pictures[image_id])
    rewrite_tar(path, [sample])
    with pytest.raises(ValueError, match=r"from another download than .*val_subj07_0.tar differ"):
        prepare(own_mindeye1)


@pytest.mark.parametrize("padding", [[0.0] * 4, [np.nan] * 4, [1, 2, 3, 4], [5, 6, 7, 8]])
def test_padding_of_any_kind_is_undone(padding):
    rows = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    found = real_repeats(np.stack([*rows, np.array(padding, np.float32)]), 2, "here")
    np.testing.assert_array_equal(found, rows)


def test_padding_that_contradicts_its_number_is_refused():
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    with pytest.raises(ValueError, match=r"here: 3 of 3 repeats differ .* num_uniques says 2"):
        real_repeats(rows, 2, "here")
    rows[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"here: betas hold NaN"):
        real_repeats(rows, 3, "here")


def broken(sample, as_npy, how):
    """One sample of the test with one thing wrong."""
    changes = {
        "a pickle": {"nsdgeneral.npy": as_npy(np.array([{"a": 1}], dtype=object))},
        "a pickled id": {"coco73k.npy": as_npy(np.array(["x", None], dtype=object))},
        "another subject": {"nsdgeneral.npy": as_npy(np.ones((3, 13039), np.float32))},
        "one repeat": {"nsdgeneral.npy": as_npy(np.ones((1, 12682), np.float32))},
        "a text": {"coco73k.npy": as_npy(np.array("12"))},
        "an id that counts from 1": {"coco73k.npy": as_npy(np.array(73000))},
        "no picture": {"jpg": b"no picture"},
    }
    return {**sample, **changes[how]}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("a pickle", r"test_subj07_0.tar, sample .* nsdgeneral.npy is no plain array"),
        ("a pickled id", r"coco73k.npy is no plain array .* Pickles are not opened"),
        ("another subject", r"13039 voxels, but nsdgeneral of subject 7 has 12682.*subject 5\?"),
        ("one repeat", r"shape \(1, 12682\), but \(3, voxels\) is needed"),
        ("a text", r"coco73k.npy holds <U2, not numbers"),
        ("an id that counts from 1", r"image id 73000, but NSD's run from 0 to 72999"),
        ("no picture", r"jpg cannot be read"),
    ],
)
def test_a_broken_sample_is_refused_and_nothing_is_left(
    own_mindeye1, prepare, rewrite_tar, mindeye1_files, as_npy, tmp_path, how, message
):
    image_id = own_mindeye1.ids["test"][2]
    sample = mindeye1_files(image_id, own_mindeye1.betas[image_id], own_mindeye1.pictures[image_id])
    path = own_mindeye1.folder / "webdataset_avg_split/test/test_subj07_0.tar"
    rewrite_tar(path, [broken(sample, as_npy, how)])
    with pytest.raises(ValueError, match=message):
        prepare(own_mindeye1)
    assert not list(tmp_path.glob("there/*"))


def test_an_image_for_training_and_test_is_refused(
    own_mindeye1, prepare, rewrite_tar, mindeye1_files
):
    image_id = own_mindeye1.ids["train"][3]
    sample = mindeye1_files(image_id, own_mindeye1.betas[image_id], own_mindeye1.pictures[image_id])
    path = own_mindeye1.folder / "webdataset_avg_split/test/test_subj07_0.tar"
    rewrite_tar(path, [sample])
    with pytest.raises(ValueError, match=rf"in train and in test, first \[{image_id}\]"):
        prepare(own_mindeye1)


def test_a_tar_that_is_missing_or_cut_is_named(own_mindeye1, prepare):
    folder = own_mindeye1.folder / "webdataset_avg_split"
    path = folder / "train/train_subj07_1.tar"
    content = path.read_bytes()
    with tarfile.open(path) as tar:
        between_samples = tar.getmembers()[6].offset
    for size in (len(content) - 10240, 600, between_samples):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"train_subj07_1.tar cannot be read"):
            prepare(own_mindeye1)
    path.write_bytes(content)
    (folder / "train/train_subj07_0.tar").unlink()
    with pytest.raises(FileNotFoundError, match=r"train_subj07_0.tar is missing"):
        prepare(own_mindeye1)
    with pytest.raises(FileNotFoundError, match=r"train_subj02_0.tar is missing"):
        prepare(own_mindeye1, subject=2)
