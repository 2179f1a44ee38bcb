"""Near duplicates by name, and accuracy over pool sizes."""

import itertools

import numpy as np
import pytest

from mindeye.verbs.retrieval.retrieval_benchmark import save_benchmark

IMAGES = 40


def test_near_duplicates_of_training_images_are_named_and_tenths_hold_all(
    file_of, measured, values_of
):
    path = file_of("ours")
    found = measured(path, pools=("all",)).scored[0].near_duplicates["training"]
    with np.load(path) as arrays:
        copied = set(arrays["image_ids"][:4].tolist())
    assert {one["image_id"] for one in found["closest"][:4]} == copied
    assert {one["other_id"] for one in found["closest"][:4]} == {1000, 1001, 1002, 1003}
    assert sum(part["n"] for part in found["tenths"]) == IMAGES
    mean = sum(part["n"] * part["image retrieval"][0] for part in found["tenths"]) / IMAGES
    name = f"image retrieval {found['metric']}"
    assert mean == pytest.approx(values_of(measured(path, pools=("all",)))[name].value)
    assert found["without the closest part"]["n"] == IMAGES - found["tenths"][-1]["n"]


def test_without_training_images_the_audit_says_so(file_of, measured, tmp_path):
    found = measured(file_of("ours", training_images=None, training_ids=None), pools=("all",))
    assert found.scored[0].near_duplicates["training"] is None
    assert not [row for row in found.controls if "nearest" in row.system]
    save_benchmark(found, tmp_path / "out")
    assert "no training images were given" in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "out" / "near_duplicates_image.png").exists()


def test_the_pool_curve_begins_at_two_ends_at_all_and_falls(file_of, measured, values_of):
    path = file_of("ours")
    found = measured(path, pools=(37, "all"))
    curve = found.scored[0].curve
    sizes = curve["pool sizes"]
    assert (sizes[0], sizes[-1]) == (2, IMAGES)
    assert 37 in sizes
    values = [one[0] for one in curve["image retrieval"]]
    assert all(later <= before for before, later in itertools.pairwise(values))
    asked = values_of(found)["image retrieval top-1 of 37"]
    assert values[sizes.index(37)] == pytest.approx(asked.value)
