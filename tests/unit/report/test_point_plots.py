import io

import numpy as np
from PIL import Image

from mindeye.report.plots import DARK, LIGHT
from mindeye.report.point_plots import draw_histograms, draw_points
from mindeye.types import AnalysisPoint


def points(figure: str, places, series=("ridge",), value: float = 0.6) -> list[AnalysisPoint]:
    return [
        AnalysisPoint(
            figure=figure,
            measure="two-way",
            series=name,
            place=place,
            value=value,
            low=value - 0.1,
            high=value + 0.1,
            n=10,
            chance=0.5,
            num_voxels=40,
        )
        for name in series
        for place in places
    ]


def test_each_figure_is_one_picture_in_the_order_of_its_points():
    many = [*points("regions", ("V1", "V2"), ("look", "meaning")), *points("repeats", (1.0, 2.0))]
    drawn = draw_points(many, LIGHT)
    assert list(drawn) == ["regions", "repeats"]
    assert drawn == draw_points(many, LIGHT)
    assert drawn["regions"] != draw_points(many, DARK)["regions"]


def test_what_is_drawn_moves_with_the_value_and_the_series():
    (low,) = draw_points(points("f", ("V1",)), LIGHT).values()
    (high,) = draw_points(points("f", ("V1",), value=0.8), LIGHT).values()
    (two,) = draw_points(points("f", ("V1",), ("a", "b")), LIGHT).values()
    assert len({low, high, two}) == 3


def test_histograms_leave_out_what_is_not_known():
    values = np.r_[np.linspace(0, 1, 50), np.nan]
    (picture,) = draw_histograms({"noise ceiling": values}, LIGHT).values()
    assert Image.open(io.BytesIO(picture)).size[0] > 500
