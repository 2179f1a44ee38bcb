import h5py
import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.peers.mindeye2 import prepare_mindeye2
from mindeye.data.splits import SPLITS, held_out

TRAIN = "wds/subj07/train/1.tar"


@pytest.fixture
def prepare(tmp_path):
    """Toy -> its prepared subject."""
    return lambda toy, out="a", **chosen: PreparedSubject(
        prepare_mindeye2(toy.folder, **{"subject": 7, "out": tmp_path / "there" / out, **chosen})
    )


def trials_of(prepared, image_id):
    found = []
    for split in SPLITS:
        table = prepared.table(split)
        found += [betas for betas, one in zip(table.betas, table.image_ids) if one == image_id]
    return found


def test_every_trial_is_its_row_of_the_betas(mindeye2, prepare):
    prepared = prepare(mindeye2)
    assert prepared.image_ids.tolist() == sorted(mindeye2.betas)
    for image_id, betas in mindeye2.betas.items():
        np.testing.assert_array_equal(trials_of(prepared, image_id), np.float16(betas))
    tables = [prepared.table(split) for split in SPLITS]
    assert sum(len(table.trials) for table in tables) == 66
    for table in tables:
        np.testing.assert_array_equal(table.sessions, 1 + table.trials // 22)
        np.testing.assert_array_equal(table.runs, 1 + table.trials % 12)


def test_the_new_test_is_the_test_and_validation_is_chosen_by_image(mindeye2, prepare):
    prepared = prepare(mindeye2)
    assert set(prepared.table("test").image_ids.tolist()) == set(mindeye2.ids["new_test"])
    own = np.unique(mindeye2.ids["train"])
    expected = own[held_out(own, share=0.05, seed=0)]
    assert np.unique(prepared.table("validation").image_ids).tolist() == expected.tolist()


def test_repeats_count_the_showings_before(mindeye2, prepare):
    test = prepare(mindeye2).repeats("test")
    counts = [len(mindeye2.betas[image_id]) for image_id in test.image_ids.tolist()]
    assert test.present.sum(1).tolist() == counts
    assert max(counts) == 3


def test_the_pictures_are_the_published_ones_in_eight_bits(mindeye2, prepare):
    prepared = prepare(mindeye2)
    for image_id, picture in zip(prepared.image_ids.tolist(), prepared.images):
        np.testing.assert_array_equal(picture, mindeye2.pictures[image_id])


def test_fewer_sessions_train_on_less_test_the_same_and_are_flagged(mindeye2, prepare):
    every, one = prepare(mindeye2), prepare(mindeye2, out="b", sessions=[1, 3])
    assert set(one.table("train").sessions.tolist()) == {1, 3}
    np.testing.assert_array_equal(one.table("test").betas, every.table("test").betas)
    assert one.manifest["transductive"] == ["zscore:all-sessions"]
    assert one.manifest["sessions"] == [1, 3]


def test_all_sessions_of_the_subject_carry_no_flag(mindeye2, prepare, monkeypatch):
    from mindeye import nsd_layout

    monkeypatch.setitem(nsd_layout.SESSIONS, 7, 3)
    manifest = prepare(mindeye2).manifest
    assert manifest["transductive"] == []
    assert (manifest["dataset"], manifest["protocol"]) == ("mindeye2", "nsd-40-new_test")
    assert (manifest["beta_version"], manifest["zscore"]) == ("unknown", "unknown")


def test_the_first_release_has_a_test_of_its_own(
    own_mindeye2, prepare, monkeypatch, rewrite_tar, behaviour_files
):
    from mindeye import nsd_layout

    monkeypatch.setitem(nsd_layout.SESSIONS, 7, 5)
    shared = own_mindeye2.ids["new_test"]
    rewrite_tar(
        own_mindeye2.folder / "wds/subj07/test/0.tar", [behaviour_files(shared[0], 1, 20, True)]
    )
    prepared = prepare(own_mindeye2, protocol="nsd-37-avg")
    assert prepared.manifest["sessions"] == [1, 2]
    assert prepared.table("test").trials.tolist() == [20]
    assert set(prepared.table("train").sessions.tolist()) == {1, 2}


def test_a_second_call_keeps_all_and_another_seed_is_refused(mindeye2, prepare, contents):
    first = prepare(mindeye2)
    before = contents(first.path)
    prepare(mindeye2)
    assert contents(first.path) == before
    with pytest.raises(ValueError, match=r"prepared with seed 0, not 1"):
        prepare(mindeye2, seed=1)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((73000, 2, 30, False), "image_id 73000, but they run from 0 to 72999"),
        ((12, 41, 30, False), "session 41, but they run from 1 to 40"),
        ((12, 2, 66, False), r"`betas` is \(66, 12682\), but the tables name rows 0 to 66"),
        ((12, 2, 0, False), r"1 rows of the betas stand for several trials, first \[0\]"),
        ((12, 2, 30.5, False), r"but \(1, 17\) with whole numbers is needed"),
    ],
)
def test_a_wrong_row_is_refused(
    own_mindeye2, prepare, rewrite_tar, behaviour_files, tmp_path, numbers, message
):
    rewrite_tar(own_mindeye2.folder / TRAIN, [behaviour_files(*numbers)])
    with pytest.raises(ValueError, match=message):
        prepare(own_mindeye2)
    assert not list(tmp_path.glob("there/*"))


def test_a_leak_is_refused_with_its_image_id(own_mindeye2, prepare, rewrite_tar, behaviour_files):
    shared = own_mindeye2.ids["new_test"][0]
    rewrite_tar(own_mindeye2.folder / TRAIN, [behaviour_files(shared, 2, 30, False)])
    with pytest.raises(ValueError, match=rf"in train and in test, first \[{shared}\]"):
        prepare(own_mindeye2)


def test_a_pickled_table_is_refused(own_mindeye2, prepare, rewrite_tar, as_npy):
    pickled = as_npy(np.array([[None] * 17], dtype=object))
    rewrite_tar(own_mindeye2.folder / TRAIN, [{"behav.npy": pickled}])
    with pytest.raises(ValueError, match=r"1.tar, sample .*behav.npy is no plain array"):
        prepare(own_mindeye2)


def test_a_table_of_another_subject_is_refused(own_mindeye2, prepare):
    place = own_mindeye2.folder / "wds"
    (place / "subj07").rename(place / "subj02")
    with pytest.raises(ValueError, match=r"is of subject 7, not 2. Is it in the wrong folder"):
        prepare(own_mindeye2, subject=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((66, 13039), np.float32), r"13039 voxels, but nsdgeneral of subject 7 has 12682"),
        (np.full((66, 12682), np.nan, np.float32), r"row 0 holds NaN"),
        (np.ones((66, 12682), np.int16), r"no floating-point data set `betas`"),
    ],
)
def test_wrong_betas_are_refused(own_mindeye2, prepare, tmp_path, values, message):
    with h5py.File(own_mindeye2.folder / "betas_all_subj07_fp32_renorm.hdf5", "w") as file:
        file["betas"] = values
    with pytest.raises(ValueError, match=message):
        prepare(own_mindeye2)
    assert not list(tmp_path.glob("there/*"))


@pytest.mark.parametrize("value", [0.0, 1.5, np.nan])
def test_a_picture_that_was_never_written_or_has_another_range_is_refused(
    own_mindeye2, prepare, value
):
    image_id = own_mindeye2.ids["train"][0]
    with h5py.File(own_mindeye2.folder / "coco_images_224_float16.hdf5", "a") as file:
        file["images"][image_id] = value
    with pytest.raises(ValueError, match=rf"image {image_id} runs from .* not within 0 to 1"):
        prepare(own_mindeye2)


def test_what_is_missing_is_named(own_mindeye2, prepare):
    with pytest.raises(FileNotFoundError, match=r"hold sessions \[1, 2, 3\], not \[5\]"):
        prepare(own_mindeye2, sessions=[1, 5])
    with pytest.raises(LookupError, match=r"no test for `nsd-special515`"):
        prepare(own_mindeye2, protocol="nsd-special515")
    with pytest.raises(FileNotFoundError, match=r"test.0.tar is missing"):
        prepare(own_mindeye2, protocol="nsd-37-avg")
    (own_mindeye2.folder / "coco_images_224_float16.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match=r"coco_images_224_float16.hdf5 is missing"):
        prepare(own_mindeye2)
