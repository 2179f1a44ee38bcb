import numpy as np
import pytest

from mindeye.data.roi import (
    areas_of_voxels,
    coordinates_of,
    parse_roi,
    read_atlas,
    read_label_names,
    roi_mask,
)


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        ("nsdgeneral", ("nsdgeneral", ())),
        ("streams:ventral", ("streams", ("ventral",))),
        ("prf-visualrois:V1v+V1d", ("prf-visualrois", ("V1v", "V1d"))),
        ("prf-eccrois:ecc4+", ("prf-eccrois", ("ecc4+",))),
        ("prf-eccrois:ecc4++ecc1", ("prf-eccrois", ("ecc4+", "ecc1"))),
    ],
)
def test_atlas_and_labels_are_read_from_one_word(roi, expected):
    assert parse_roi(roi) == expected


@pytest.mark.parametrize("roi", ["", ":V1v", "streams:"])
def test_a_word_without_roi_is_refused(roi):
    with pytest.raises(ValueError, match="names no ROI"):
        parse_roi(roi)


def test_minus_one_and_zero_are_in_no_region(written):
    path = written.functional / "roi" / "prf-visualrois.nii.gz"
    atlas = read_atlas(path, "prf-visualrois", {1: "V1v", 2: "V1d"})
    stored = written.atlases["prf-visualrois"]
    assert (stored == -1).any()
    np.testing.assert_array_equal(roi_mask(atlas), stored > 0)
    np.testing.assert_array_equal(roi_mask(atlas, ["V1d", "V1v"]), (stored == 1) | (stored == 2))
    np.testing.assert_array_equal(roi_mask(atlas, ["7"]), stored == 7)


def test_an_unknown_label_gets_the_likely_one(written):
    path = written.functional / "roi" / "prf-visualrois.nii.gz"
    atlas = read_atlas(path, "prf-visualrois", {1: "V1v", 2: "V1d"})
    with pytest.raises(LookupError, match=r"no label `V1`; it has V1v, V1d.*Did you mean `V1"):
        roi_mask(atlas, ["V1"])


def test_coordinates_walk_the_grid_with_x_slowest():
    mask = np.random.default_rng(0).random((4, 5, 6)) < 0.5
    coordinates = coordinates_of(mask)
    volume = np.arange(mask.size).reshape(mask.shape)
    np.testing.assert_array_equal(volume[tuple(coordinates.T)], volume[mask])
    assert (np.diff(volume[mask]) > 0).all()


def test_fractions_and_nan_are_no_labels(tmp_path, rewrite_volume):
    for value in (0.5, np.nan):
        rewrite_volume(tmp_path / "map.nii.gz", np.full((3, 3, 3), value))
        with pytest.raises(ValueError, match=r"map.nii.gz holds values that are no whole numbers"):
            read_atlas(tmp_path / "map.nii.gz", "map", {})


def test_colour_tables_may_end_lines_in_blanks(tmp_path):
    table = tmp_path / "a.ctab"
    table.write_text("0 Unknown\n1 V1v \t\n\n2 V1d 255 0 0 0\n")
    assert read_label_names(table) == {1: "V1v", 2: "V1d"}


def test_areas_without_voxels_are_left_out():
    labels = {"prf-visualrois": np.array([1, 2, 0, -1, 7]), "streams": np.array([5, 0, 0, 0, 5])}
    names = {"prf-visualrois": {1: "V1v", 2: "V1d", 7: "hV4"}, "streams": {5: "ventral"}}
    areas = areas_of_voxels(labels, names)
    assert {name: np.flatnonzero(inside).tolist() for name, inside in areas.items()} == {
        "V1": [0, 1],
        "hV4": [4],
        "ventral": [0, 4],
    }
