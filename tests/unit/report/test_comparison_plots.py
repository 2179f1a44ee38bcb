import io

import numpy as np
import pytest
from PIL import Image

from mindeye.metrics.paired_systems import PairedDifference
from mindeye.report import comparison_plots
from mindeye.report.comparison_plots import difference_intervals, scatters
from mindeye.report.plots import LIGHT

BETTER = {"PixCorr": "higher", "distance": "lower"}


def difference(metric, first="a", second="b"):
    return PairedDifference(
        first=first, second=second, metric=metric, value=0.1, low=0.05, high=0.2, p=0.01,
        adjusted_p=0.02, first_higher=0.7, num_images=9,
    )  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """Axes in the order in which figures were finished."""
    found = []
    png_of = comparison_plots.png_of

    def recorded(axes):
        found.append(axes)
        return png_of(axes)

    monkeypatch.setattr(comparison_plots, "png_of", recorded)
    return found


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size


def test_better_is_to_the_right_whichever_way_a_metric_runs(drawn):
    pictures = difference_intervals([difference(one) for one in BETTER], BETTER, LIGHT)
    assert list(pictures) == list(BETTER)
    left, right = drawn[0].get_xlim()
    assert left < right
    left, right = drawn[1].get_xlim()
    assert left > right
    assert drawn[0].get_yticklabels()[0].get_text() == "a minus b"


def test_a_scatter_has_a_panel_for_each_pair_and_a_point_for_each_image(drawn):
    rng = np.random.default_rng(0)
    scores = {name: {"PixCorr": rng.random(9)} for name in "abc"}
    pairs = [difference("PixCorr", *pair) for pair in ("ab", "ac", "bc")]
    (picture,) = scatters(scores, pairs, BETTER, LIGHT).values()
    panels = drawn[0].figure.axes
    assert [(one.get_ylabel(), one.get_xlabel()) for one in panels] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    points = panels[1].lines[1]
    np.testing.assert_array_equal(points.get_ydata(), scores["a"]["PixCorr"])
    np.testing.assert_array_equal(points.get_xdata(), scores["c"]["PixCorr"])
    assert panels[0].get_title() == "a better: 70 %"
    width, height = size_of(picture)
    assert abs(width - height) < 0.2 * width  # three panels in two lines


def test_the_share_of_images_counts_the_lower_value_where_lower_is_better(drawn):
    scores = {name: {"distance": np.arange(9.0)} for name in "ab"}
    scatters(scores, [difference("distance")], BETTER, LIGHT)
    assert drawn[0].get_title() == "a better: 30 %"
