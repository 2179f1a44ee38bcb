"""Toy systems on the images that all have, pair by pair."""

import csv

import numpy as np
import pytest

from mindeye.files import read_json


def values_of(evaluation):
    """(metric, image id) -> value of the system, from the file itself."""
    lines = (evaluation / "per_image.tsv").read_text().splitlines()
    system = read_json(evaluation / "evaluation.json")["system"]
    return {
        (one["metric"], int(one["image_id"])): float(one["value"])
        for one in csv.DictReader(lines, delimiter="\t")
        if one["system"] == system
    }


def test_systems_are_compared_on_the_images_that_all_have(compare, evaluations):
    """The witness reads the per-image tables by itself."""
    found = compare("good", "poor")
    tables = {name: values_of(evaluations[name]) for name in ("good", "poor")}
    common = sorted({image for _, image in tables["good"]} & {image for _, image in tables["poor"]})
    assert found.image_ids.tolist() == common
    assert len(common) == 18
    for one in found.differences:
        expected = np.mean(
            [
                tables["good"][one.metric, image] - tables["poor"][one.metric, image]
                for image in common
            ]
        )
        assert one.value == pytest.approx(expected)
        assert (one.first, one.second, one.num_images) == ("good", "poor", 18)
    rows = {(row.system, row.metric): row.value for row in found.rows}
    expected = np.mean([tables["poor"]["SSIM", image] for image in common])
    assert rows["poor", "SSIM"] == pytest.approx(expected)
    assert any("Only the 18 common images are compared (evaluated: good 24, poor 18)" in note
               for note in found.notes)  # fmt: skip


def test_every_pair_is_compared_or_all_with_the_reference(compare, tmp_path):
    pairs = {(one.first, one.second) for one in compare("good", "middling", "poor").differences}
    assert pairs == {("good", "middling"), ("good", "poor"), ("middling", "poor")}
    again = compare("good", "middling", "poor", reference="middling")
    pairs = {(one.first, one.second) for one in again.differences}
    assert pairs == {("good", "middling"), ("poor", "middling")}
    with pytest.raises(LookupError, match=r"`bad` is none of the systems\. Choose one of good"):
        compare("good", "poor", reference="bad")
