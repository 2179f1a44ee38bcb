import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from mindeye.report.plots import DARK, LIGHT, RoiContribution, roi_bars, training_curves


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def curves() -> dict:
    steps = np.arange(100)
    return {
        "prior/train": (steps, 1 / (1 + steps)),
        "prior/validation": ([0, 50], [1.0, 0.5]),
        "contrastive": (steps, -1.0 * steps),
        "empty": ([], []),
    }


def bars() -> list[RoiContribution]:
    return [
        RoiContribution(roi=roi, num_voxels=10, metric=m, value=0.5, low=0.4, high=0.6, chance=0.1)
        for m in ("PixCorr", "CLIP")
        for roi in ("V1", "V2")
    ]


def test_curves_of_one_panel_share_a_picture():
    assert list(training_curves(curves(), LIGHT)) == ["prior", "contrastive", "empty"]
    assert list(roi_bars(bars(), LIGHT)) == ["PixCorr", "CLIP"]


def test_a_legend_names_training_and_validation_also_where_one_stands_alone():
    def drawn(*names: str) -> bytes:
        (png,) = training_curves({name: ([0, 1], [1.0, 0.5]) for name in names}, LIGHT).values()
        return png

    unnamed, training, validation = (
        drawn(name) for name in ("top1", "top1/training", "top1/validation")
    )
    assert len({unnamed, training, validation}) == 3
    assert drawn("top1/training", "top1/validation") not in (training, validation)


def test_figures_are_transparent_deterministic_and_leave_settings_alone():
    before = dict(mpl.rcParams)
    first, second = training_curves(curves(), DARK), training_curves(curves(), DARK)
    assert first == second
    assert roi_bars(bars(), DARK) == roi_bars(bars(), DARK)
    assert picture(first["prior"])[0, 0, 3] == 0
    assert training_curves(curves(), LIGHT)["prior"] != first["prior"]
    assert dict(mpl.rcParams) == before


def test_a_curve_of_unequal_lengths_is_refused():
    with pytest.raises(ValueError, match="`loss` has 2 steps but 1 values"):
        training_curves({"loss": ([0, 1], [0.5])}, LIGHT)
