import h5py
import numpy as np
import pytest

from mindeye.data.stimuli import image_blocks, picture_shape, synthetic_pictures

STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


def test_blocks_are_the_pictures_of_the_ids(written, expected_picture):
    image_ids = np.unique(written.image_ids[:1500])
    blocks = list(image_blocks(written.root / STIMULI, image_ids))
    assert max(map(len, blocks)) < len(image_ids)
    expected = np.stack([expected_picture(image_id) for image_id in image_ids])
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    assert picture_shape(written.root / STIMULI) == expected.shape[1:]


def test_a_picture_that_was_never_written_is_refused(written):
    absent = np.setdiff1d(np.arange(73000), written.image_ids[:1500])[:1]
    with pytest.raises(ValueError, match=rf"has nothing at image ids \[{absent[0]}\]"):
        list(image_blocks(written.root / STIMULI, absent))


def test_too_few_pictures_and_other_layouts_are_refused(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["imgBrick"] = np.ones((5, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="has 5 pictures, but image id 5 was shown"):
        list(image_blocks(path, np.array([4, 5])))
    with h5py.File(path, "w") as file:
        file["imgBrick"] = np.ones((5, 3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"uint8 \(5, 3, 4, 4\), not uint8 \(images, side"):
        picture_shape(path)


def test_a_missing_or_truncated_file_is_named(own_tree):
    path = own_tree.root / STIMULI
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"nsd_stimuli.hdf5 cannot be read"):
        picture_shape(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"nsd_stimuli.hdf5 is missing"):
        picture_shape(path)


@pytest.fixture
def synthetic_stimuli(tmp_path):
    """Two files of toy pictures whose pixels are their numbers."""
    paths = (tmp_path / "shared.hdf5", tmp_path / "colour.hdf5")
    for path, numbers in zip(paths, (range(5), range(5, 8)), strict=True):
        with h5py.File(path, "w") as file:
            file["whatever"] = np.stack([np.full((3, 4, 3), one, np.uint8) for one in numbers])
    return paths


def test_synthetic_pictures_are_the_shared_ones_then_the_subject_s_own(synthetic_stimuli):
    pictures = synthetic_pictures(synthetic_stimuli, np.array([6, 0, 4, 5, 6]))
    assert pictures.shape == (5, 3, 4, 3)
    assert pictures[:, 0, 0, 0].tolist() == [6, 0, 4, 5, 6]


@pytest.mark.parametrize("number", [-1, 8])
def test_a_synthetic_picture_that_is_not_there_is_refused(synthetic_stimuli, number):
    with pytest.raises(ValueError, match="hold pictures 0 to 7"):
        synthetic_pictures(synthetic_stimuli, np.array([0, number]))
