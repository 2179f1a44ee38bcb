import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.data.test_sets import KnownTests
from mindeye.reconstruction.saved_pictures.arrays import open_npy, open_npz
from mindeye.reconstruction.saved_pictures.ids import ids_of, matched, read_ids

IDS = [30, 10, 20]
ORDER = "nsd-40-new_test"


@pytest.fixture
def without_ids(tmp_path):
    np.save(tmp_path / "recons.npy", np.zeros((3, 16, 16, 3), np.uint8))
    return open_npy(tmp_path / "recons.npy")


def told(stored, **given):
    defaults = {"ids_file": None, "order": None, "known": None, "option": "--ids"}
    return ids_of(stored, **{**defaults, **given})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.txt", "30\n10\n20\n"),
        ("ids.csv", "row,image_id\n0,30\n1,10\n2,20\n"),
        ("ids.tsv", "# made by hand\nimage_id\tnote\n30\ta\n10\tb\n20\tc\n"),
        ("ids.json", json.dumps(IDS)),
    ],
)
def test_ids_are_read_from_text_in_its_order(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_ids(tmp_path / name).tolist() == IDS


def test_ids_are_read_from_arrays_and_a_mask_gives_ascending_ones(tmp_path):
    np.save(tmp_path / "ids.npy", np.array(IDS))
    torch.save(torch.tensor(IDS), tmp_path / "ids.pt")
    mask = np.zeros(73_000, dtype=bool)
    mask[IDS] = True
    np.save(tmp_path / "shared1000.npy", mask)
    assert read_ids(tmp_path / "ids.npy").tolist() == IDS
    assert read_ids(tmp_path / "ids.pt").tolist() == IDS
    assert read_ids(tmp_path / "shared1000.npy").tolist() == sorted(IDS)


@pytest.mark.parametrize(
    ("name", "text"),
    [("ids.txt", "30\nten\n"), ("ids.csv", "1,2\n3,4\n"), ("ids.json", "[1.5]"),
     ("ids.json", "[["), ("ids.txt", ""), ("ids.npy", "30")],
)  # fmt: skip
def test_what_is_no_list_of_ids_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} holds"):
        read_ids(tmp_path / name)


def test_position_alone_is_refused_and_both_ways_out_are_named(without_ids):
    with pytest.raises(ValueError, match=r"--ids FILE; or --order nsd-40-new_test"):
        told(without_ids)


def test_the_order_of_a_protocol_is_ascending_and_needs_its_test_images(without_ids):
    known = KnownTests(where="design", subject=1, tests={ORDER: np.array(sorted(IDS))},
                       training=np.array([1]))  # fmt: skip
    assert told(without_ids, order=ORDER, known=known).tolist() == [10, 20, 30]
    with pytest.raises(LookupError, match=r"nothing was given that tell them\. Pass --data"):
        told(without_ids, order=ORDER)
    with pytest.raises(LookupError, match="--order nsd-37-avg needs the test images"):
        told(without_ids, order="nsd-37-avg", known=known)


def test_another_count_of_ids_is_refused_with_both_numbers(without_ids, tmp_path):
    (tmp_path / "ids.txt").write_text("1\n2\n")
    with pytest.raises(ValueError, match=r"holds 3 pictures, but .*ids\.txt has 2 ids"):
        told(without_ids, ids_file=tmp_path / "ids.txt")


def test_an_id_that_stands_twice_is_refused_by_name(without_ids, tmp_path):
    (tmp_path / "ids.txt").write_text("7\n8\n7\n")
    with pytest.raises(
        ValueError, match=r"ids\.txt: 1 image ids stand more than once, first \[7\]"
    ):
        told(without_ids, ids_file=tmp_path / "ids.txt")


def test_a_second_source_of_ids_is_refused(save_as, tmp_path):
    (tmp_path / "ids.txt").write_text("7\n")
    with pytest.raises(ValueError, match="tells its ids itself"):
        told(open_npz(save_as("npz")), ids_file=tmp_path / "ids.txt")


def test_every_reconstruction_finds_its_image_wherever_it_stands():
    shown = np.array([50, 10, 40, 30])
    rows = matched(np.array([30, 50]), shown, (Path("recon"), Path("shown")))
    assert shown[rows].tolist() == [30, 50]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([30, 99], r"1 of 2 images that shown does not hold, first ids \[99\]. Are both of one"),
        ([11, 31, 51], r"3 of 3 images .* Do they count from 1\?"),
    ],
)
def test_a_reconstruction_of_an_unknown_image_is_refused(ids, message):
    with pytest.raises(LookupError, match=message):
        matched(np.array(ids), np.array([50, 10, 40, 30]), (Path("recon"), Path("shown")))
