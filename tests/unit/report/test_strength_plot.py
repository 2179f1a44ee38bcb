import io

import numpy as np
from PIL import Image

from mindeye.report.strength_plot import HIGH_LEVEL, LOW_LEVEL, strength_plot
from mindeye.types import MetricRow


def rows(shift: float = 0.0) -> list[MetricRow]:
    systems = {
        "strength-0.50": 0.4,
        "strength-0.75": 0.5,
        "high-level-only": 0.6,
        "blurry-only": 0.3,
    }
    return [
        MetricRow(
            system=system,
            metric=metric,
            value=value + shift,
            low=value - 0.1,
            high=value + shift + 0.1,
            n=20,
            chance=None,
            better="higher",
        )
        for metric in (*LOW_LEVEL, HIGH_LEVEL)
        for system, value in systems.items()
    ]


def picture(*given) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(strength_plot(*given))))


def test_the_plot_is_the_same_for_the_same_rows_and_moves_with_them():
    first = picture(rows(), "blurry-only", False)
    np.testing.assert_array_equal(first, picture(rows(), "blurry-only", False))
    assert (picture(rows(0.1), "blurry-only", False) != first).any()


def test_simulated_subjects_are_named_on_the_plot():
    assert (picture(rows(), "blurry-only", True) != picture(rows(), "blurry-only", False)).any()
