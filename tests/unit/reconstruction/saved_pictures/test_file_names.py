from pathlib import Path

import pytest

from mindeye.reconstruction.saved_pictures.file_names import image_ids_of


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        ("nsd-01234.png", 1234),
        ("nsd01234.png", 1234),
        ("000123.png", 123),
        ("1234_anything.png", 1234),
        ("1234_sample3 final.jpg", 1234),
        ("image_77.jpeg", 77),
        ("IMG-00009.PNG", 9),
        ("0.png", 0),
    ],
)
def test_a_name_tells_its_image_by_the_stated_rule(name, image_id):
    assert image_ids_of([Path("folder") / name]).tolist() == [image_id]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grid.png", "does not tell its image"),
        ("subj01.png", "does not tell its image"),
        ("1234-5.png", "does not tell its image"),
        ("recon 12.png", "does not tell its image"),
        ("1234_5.png", "two numbers, 1234 and 5"),
        ("0007_nsd-01234.png", "two numbers, 0007 and 01234"),
    ],
)
def test_a_name_that_may_mean_two_images_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        image_ids_of([Path("folder") / name])


def test_two_files_of_one_image_are_refused_and_both_are_named():
    with pytest.raises(ValueError, match=r"007\.png and nsd-7\.png in folder are both of image 7"):
        image_ids_of([Path("folder/007.png"), Path("folder/nsd-7.png")])
