"""Pictures by name, from files and from the published archive."""

import numpy as np
import pytest
from PIL import Image

from mindeye.data.batches import PreparedSubject
from mindeye.data.splits import SPLITS


def test_pictures_are_those_of_their_names(tree, prepared):
    for image_id, picture in zip(prepared.image_ids.tolist(), prepared.images, strict=True):
        shown = tree.pictures[prepared.image_names[image_id]].astype(float)
        sides = shown.shape[:2]
        small = np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.BOX))
        assert np.corrcoef(small.ravel(), shown.ravel())[0, 1] > 0.95


def test_the_published_archive_gives_the_same_pictures_as_files(tree, prepared, prepare, tmp_path):
    folder = tree.write_archive(tmp_path / "archive", [*tree.shared_names, *tree.own_names])
    out = tmp_path / "out"
    again = PreparedSubject(prepare(tree.root, out, stimuli=folder))
    np.testing.assert_array_equal(again.images, prepared.images)
    for split in SPLITS:
        np.testing.assert_array_equal(again.table(split).betas, prepared.table(split).betas)


def test_an_archive_that_lacks_pictures_or_disagrees_with_its_table_is_refused(
    tree, prepare, tmp_path
):
    lacking = tree.write_archive(tmp_path / "lacking", tree.shared_names)
    with pytest.raises(FileNotFoundError, match=r"does not name \d+ images that were shown"):
        prepare(tree.root, tmp_path / "out", stimuli=lacking)
    torn = tree.write_archive(tmp_path / "torn", [*tree.shared_names, *tree.own_names])
    with (torn / "task-images_metadata.csv").open("a") as stream:
        stream.write("shared_4rep_more.jpg,made up\n")
    with pytest.raises(ValueError, match=r"holds 23 pictures, but .* has 24 rows"):
        prepare(tree.root, tmp_path / "out", stimuli=torn)
    assert not (tmp_path / "out").exists()


def test_a_split_that_names_unknown_images_is_refused_where_the_table_tells(own, prepare, tmp_path):
    own.write_split(own.own_names, [*own.shared_names, "shared_4rep_nowhere.jpg"])
    folder = own.write_archive(tmp_path / "archive", [*own.shared_names, *own.own_names])
    with pytest.raises(ValueError, match=r"names 1 images that are not in .*metadata.csv"):
        prepare(own.root, tmp_path / "out", split="tau", stimuli=folder)
