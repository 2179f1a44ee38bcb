import numpy as np
import pytest
import torch
from PIL import Image

from mindeye.reconstruction.saved_pictures import checked
from mindeye.reconstruction.saved_pictures.on_disk import written_to
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked, matched_pair


def pair_of(reconstructions, images, **given):
    return matched_pair(PicturesAsked(reconstructions=reconstructions, images=images, **given))


@pytest.fixture(autouse=True)
def five_at_a_time(monkeypatch):
    """Twelve pictures pass in three blocks."""
    monkeypatch.setattr(checked, "BLOCK_BYTES", 5 * 12 * 16 * 16)


@pytest.fixture
def shown(save_as):
    return save_as("npz")


def save_tensor(path, pictures, image_ids):
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    torch.save({"images": images, "image_ids": torch.from_numpy(image_ids)}, path)
    return path


def test_pictures_are_matched_by_id_and_never_by_position(tmp_path, pictures, image_ids, shown):
    """Every reconstruction is its shown picture, in another order and another form."""
    order = np.random.default_rng(0).permutation(12)[:9]
    path = save_tensor(tmp_path / "recons.pt", pictures[order], image_ids[order])
    pair = pair_of(path, shown)
    assert pair.image_ids.tolist() == sorted(image_ids[order].tolist())
    every = np.arange(9)
    torch.testing.assert_close(pair.reconstructed.images(every), pair.shown.images(every))
    assert pair.notes == ("3 of 12 shown images have no reconstruction and are left out.",)


def test_a_folder_of_prepare_tells_splits_subject_and_simulation(tiny_prepared, tmp_path):
    ids = np.arange(300, 308)
    pictures = np.load(tiny_prepared / "images.npy")[-8:]
    pair = pair_of(save_tensor(tmp_path / "a.pt", pictures, ids), tiny_prepared)
    assert pair.test_set[:2] == ("made up", "checked")
    assert (pair.subject, pair.simulated["simulated"], pair.notes) == (1, True, ())
    torch.testing.assert_close(pair.shown.images(ids - 300), pair.reconstructed.images(ids - 300))


def test_training_images_are_refused_by_name(tiny_prepared, tmp_path, pictures):
    path = save_tensor(tmp_path / "a.pt", pictures, np.r_[300:307, 110:115])
    with pytest.raises(ValueError, match=r"5 of 12 images are training .* first ids \[110, 111"):
        pair_of(path, tiny_prepared)


def test_data_tells_the_splits_of_pictures_that_do_not(tiny_prepared, tmp_path, pictures):
    first = save_tensor(tmp_path / "a.pt", pictures[:8], np.arange(300, 308))
    second = save_tensor(tmp_path / "b.pt", pictures[:8], np.arange(300, 308))
    assert pair_of(first, second).test_set.certainty == "unknown"
    pair = pair_of(first, second, data=tiny_prepared)
    assert (pair.test_set.protocol, pair.subject) == ("made up", 1)
    with pytest.raises(ValueError, match="is of subject 1, but --subject 2 is asked for"):
        pair_of(first, second, data=tiny_prepared, subject=2)


def test_an_order_stands_for_ids_where_data_tells_the_test(tiny_prepared, tmp_path, pictures):
    torch.save(torch.from_numpy(pictures[:8]).permute(0, 3, 1, 2), tmp_path / "all_recons.pt")
    pair = pair_of(tmp_path / "all_recons.pt", tiny_prepared, order="made up")
    assert pair.image_ids.tolist() == list(range(300, 308))
    torch.testing.assert_close(
        pair.reconstructed.images(np.array([2]))[0],
        torch.from_numpy(pictures[2]).permute(2, 0, 1) / 255,
    )


def test_an_order_that_would_be_ignored_is_refused(shown):
    with pytest.raises(ValueError, match="have theirs"):
        pair_of(shown, shown, order="nsd-40-new_test")


def test_pictures_that_hold_nan_are_refused_and_named(tmp_path, pictures, image_ids, shown):
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    rows = np.argsort(image_ids)[[7, 11]]  # both after the first block
    images[rows[0], 1, 2, 3] = torch.nan
    images[rows[1], 0, 0, 0] = torch.inf
    torch.save({"images": images, "image_ids": torch.from_numpy(image_ids)}, tmp_path / "a.pt")
    message = rf"2 of 12 pictures hold NaN or infinity, first row {rows[0]} \(image"
    with pytest.raises(FloatingPointError, match=message):
        pair_of(tmp_path / "a.pt", shown)


def test_values_of_two_meanings_are_refused_until_the_user_says_which(
    tmp_path, pictures, image_ids, shown
):
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    torch.save({"images": images, "image_ids": torch.from_numpy(image_ids)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt has float32 values .* pass --range=-1\.\.1"):
        pair_of(tmp_path / "a.pt", shown)
    pair = pair_of(tmp_path / "a.pt", shown, value_range="-1..1")
    every = np.arange(12)
    torch.testing.assert_close(
        pair.reconstructed.images(every), pair.shown.images(every), atol=1e-6, rtol=0
    )
    with pytest.raises(ValueError, match=r"pass --images-range=-1\.\.1"):
        pair_of(shown, tmp_path / "a.pt")


def test_a_blank_reconstruction_is_noted_and_a_blank_shown_image_refused(
    save_folder, image_ids, shown
):
    folder = save_folder()
    blank = int(image_ids.max())
    Image.new("RGB", (16, 16), (9, 9, 9)).save(folder / f"nsd-{blank:05d}.png")
    (note,) = pair_of(folder, shown).notes
    assert note.startswith(f"1 of 12 reconstructions are blank, first ids [{blank}]")
    with pytest.raises(ValueError, match=rf"1 shown images are blank .* first ids \[{blank}\]"):
        pair_of(shown, folder)


def test_a_folder_with_one_picture_is_refused(tmp_path, pictures, shown):
    path = save_tensor(tmp_path / "a.pt", pictures[:1], np.array([7000]))
    with pytest.raises(ValueError, match="holds 1 picture"):
        pair_of(path, shown)


@pytest.mark.parametrize("form", ["npz", "pt"])
def test_what_is_written_to_disk_is_the_pictures_in_the_asked_order(
    form, save_as, tmp_path, pictures, image_ids
):
    pair = pair_of(save_as(form), save_as("hdf5"))
    order = np.random.default_rng(1).permutation(12)
    found = written_to(tmp_path / "array", pair.reconstructed, order=order)
    expected = pictures[np.argsort(image_ids)][order]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[:], expected)
    np.testing.assert_array_equal(found[3:5], expected[3:5])


def test_floats_stay_floats_on_the_disk(tmp_path, pictures, image_ids, shown):
    images = torch.rand(12, 3, 16, 16)
    torch.save({"images": images, "image_ids": torch.from_numpy(image_ids)}, tmp_path / "a.pt")
    pair = pair_of(tmp_path / "a.pt", shown)
    found = written_to(tmp_path / "array", pair.reconstructed)
    expected = images[np.argsort(image_ids)].permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(found[:], expected)
