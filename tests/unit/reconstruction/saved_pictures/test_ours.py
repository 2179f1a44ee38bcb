"""Our own folders and NSD trees as sources of pictures."""

import h5py
import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.files import write_json
from mindeye.reconstruction.saved_pictures import ours
from mindeye.reconstruction.saved_pictures.opening import open_pictures, record_of

STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


@pytest.fixture
def tree(tmp_path, pictures):
    """Only what pictures need: the file and the folder beside it."""
    root = tmp_path / "nsd"
    (root / STIMULI).parent.mkdir(parents=True)
    (root / "nsddata").mkdir()
    with h5py.File(root / STIMULI, "w") as file:
        file["imgBrick"] = pictures
    write_json(root / "SIMULATED.json", {"simulated": True, "preset": "tests"})
    return root


@pytest.mark.parametrize("place", ["", STIMULI])
def test_a_tree_and_its_file_of_pictures_are_the_same(tree, pictures, place):
    opened = open_pictures(tree / place)
    assert opened.simulated["preset"] == "tests"
    assert opened.tests is None  # there is no design
    np.testing.assert_array_equal(opened.read(np.array([4])), pictures[[4]])


@pytest.mark.parametrize("place", ["nsd_stimuli.hdf5", "nsd/my/own/pictures/nsd_stimuli.hdf5"])
def test_the_same_file_elsewhere_belongs_to_no_tree(tree, tmp_path, place):
    """Also as deep in the tree as NSD keeps it, but under other names."""
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    moved = (tree / STIMULI).rename(tmp_path / place)
    assert open_pictures(moved).simulated is None


def test_simulation_is_told_by_a_file_beside_the_pictures(save_folder, tmp_path):
    folder = save_folder()
    assert open_pictures(folder).simulated is None
    write_json(folder / "SIMULATED.json", {"simulated": True})
    assert open_pictures(folder).simulated == {"simulated": True}


def test_data_without_a_design_are_refused(tree, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nsd_expdesign\.mat is missing"):
        ours.known_tests(tree, 1)
    with pytest.raises(LookupError, match="NSD has subjects 1 to 8, not 9"):
        ours.known_tests(tree, 9)
    with pytest.raises(FileNotFoundError, match="holds no NSD tree"):
        ours.known_tests(tmp_path, 1)


def test_a_prepared_folder_gives_all_its_pictures(tiny_prepared):
    opened = open_pictures(tiny_prepared)
    prepared = PreparedSubject(tiny_prepared)
    rows = np.array([30, 2])
    np.testing.assert_array_equal(opened.read(rows), prepared.images[rows])
    assert opened.image_ids.tolist() == prepared.image_ids.tolist()
    assert opened.about == {"subject": 1}


def test_checksums_tell_other_pictures_apart(save_folder, save_as):
    folder = save_folder()
    first = record_of(open_pictures(folder))
    assert first == record_of(open_pictures(folder))
    renamed = min(folder.iterdir())
    renamed.rename(folder / "nsd-00001.png")
    assert record_of(open_pictures(folder))["sha256"] != first["sha256"]
    assert first["form"] == "folder of PNG and JPEG files"
    assert (first["pictures"], first["width"], first["height"]) == (12, 16, 16)
