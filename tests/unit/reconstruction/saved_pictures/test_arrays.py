import h5py
import numpy as np
import pytest

from mindeye.reconstruction.saved_pictures import arrays
from mindeye.reconstruction.saved_pictures.arrays import open_hdf5, open_npy, open_npz
from mindeye.reconstruction.saved_pictures.opening import open_pictures

ROWS = np.array([7, 0, 3])


@pytest.mark.parametrize("form", ["npz", "compressed.npz", "hdf5", "pt"])
def test_every_form_gives_the_same_pictures_and_ids(form, save_as, pictures, image_ids):
    opened = open_pictures(save_as(form))
    assert opened.image_ids.tolist() == image_ids.tolist()
    np.testing.assert_array_equal(opened.read(ROWS), pictures[ROWS])
    assert (opened.count, opened.size, opened.notes) == (12, (16, 16), ())


def test_a_bare_array_tells_no_ids(tmp_path, pictures):
    np.save(tmp_path / "recons.npy", pictures)
    opened = open_npy(tmp_path / "recons.npy")
    assert opened.image_ids is None
    np.testing.assert_array_equal(opened.read(ROWS), pictures[ROWS])


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_that_is_not_compressed_stays_on_the_disk(tmp_path, pictures, image_ids, order):
    stored = np.asarray(pictures, order=order)
    np.savez(tmp_path / "a.npz", images=stored, image_ids=image_ids)
    opened = open_npz(tmp_path / "a.npz")
    assert isinstance(opened.read.args[0], np.memmap)
    np.testing.assert_array_equal(opened.read(ROWS), pictures[ROWS])


def test_a_compressed_array_larger_than_memory_allows_is_refused(save_as, monkeypatch):
    path = save_as("compressed.npz")
    monkeypatch.setattr(arrays, "LARGEST_UNPACKED", 1000)
    with pytest.raises(ValueError, match=r"takes 0 MB unpacked .* Save it with np\.savez"):
        open_npz(path)


def test_rows_of_the_pictures_of_nsd_are_their_ids(tmp_path, pictures):
    with h5py.File(tmp_path / "nsd_stimuli.hdf5", "w") as file:
        file["imgBrick"] = pictures
    opened = open_hdf5(tmp_path / "nsd_stimuli.hdf5")
    assert opened.image_ids.tolist() == list(range(12))
    np.testing.assert_array_equal(opened.read(ROWS), pictures[ROWS])


def test_73000_pictures_without_ids_are_those_of_nsd(tmp_path):
    with h5py.File(tmp_path / "coco.hdf5", "w") as file:
        file.create_dataset("images", (73_000, 3, 8, 8), "f2", chunks=(1, 3, 8, 8))
    assert open_hdf5(tmp_path / "coco.hdf5").image_ids[[0, -1]].tolist() == [0, 72_999]


def test_grey_arrays_become_rgb_with_a_note(tmp_path, pictures, image_ids):
    np.savez(tmp_path / "a.npz", images=pictures[..., 0], image_ids=image_ids)
    opened = open_npz(tmp_path / "a.npz")
    assert opened.notes == ("All pictures are grey, and every channel of RGB became that grey.",)
    assert opened.read(ROWS).shape == (3, 16, 16, 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((12, 16, 16, 4), "four channels"),
        ((12, 4, 16, 16), "four channels"),
        ((12, 3, 16, 3), "no stack of pictures"),
        ((12, 16, 16, 2), "no stack of pictures"),
        ((12, 768), "no stack of pictures"),
    ],
)
def test_arrays_without_one_meaning_are_refused(tmp_path, shape, message):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=message):
        open_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("form", ["npz", "hdf5"])
def test_arrays_under_other_names_are_refused_and_listed(tmp_path, form):
    path = tmp_path / f"a.{form}"
    if form == "npz":
        np.savez(path, recons=np.zeros(3))
    else:
        with h5py.File(path, "w") as file:
            file["recons"] = np.zeros(3)
    with pytest.raises(LookupError, match="holds recons, but the pictures are looked for as"):
        open_pictures(path)


@pytest.mark.parametrize("form", ["npz", "hdf5", "pt"])
def test_a_file_that_was_cut_off_is_refused(save_as, form):
    path = save_as(form)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"cut off"):
        open_pictures(path)


@pytest.mark.parametrize("ids", [np.arange(11), np.arange(12) + 0.5, np.array(["a"] * 12)])
def test_ids_that_are_not_one_whole_number_a_picture_are_refused(tmp_path, pictures, ids):
    np.savez(tmp_path / "a.npz", images=pictures, image_ids=ids)
    with pytest.raises(ValueError, match="12 whole numbers are needed"):
        open_npz(tmp_path / "a.npz")


def test_an_unknown_form_is_refused_and_the_known_ones_are_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"film")
    with pytest.raises(LookupError, match="no form that can be read as pictures"):
        open_pictures(tmp_path / "a.mp4")
