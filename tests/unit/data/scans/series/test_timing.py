import json

import nibabel
import numpy as np
import pytest

from mindeye.data.scans.series.timing import read_timing


@pytest.fixture
def timing(tmp_path):
    """(repetition time and unit in the header, side-car) -> what is read."""

    def read(time, unit, sidecar):
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 5), dtype=np.int16), np.eye(4))
        image.header.set_zooms((2, 2, 2, time))
        image.header.set_xyzt_units("mm", unit)
        path = tmp_path / "bold.json"
        if sidecar is not None:
            path.write_text(json.dumps(sidecar))
        return read_timing(tmp_path / "bold.nii.gz", image, path)

    return read


@pytest.mark.parametrize(
    ("time", "unit", "sidecar"),
    [
        (1.6, "sec", {"RepetitionTime": 1.6}),
        (1600, "msec", {"RepetitionTime": 1.6}),
        (1.6, "sec", None),
        (1.6, "sec", {"TaskName": "nsd"}),
        (1, "unknown", {"RepetitionTime": 1.6}),
        (0, "sec", {"RepetitionTime": 1.6}),
        (1.6004, "sec", {"RepetitionTime": 1.6}),
    ],
)
def test_header_and_sidecar_tell_the_repetition_time(timing, time, unit, sidecar):
    found = timing(time, unit, sidecar)
    assert found.repetition_time_s == pytest.approx(1.6)
    np.testing.assert_allclose(found.times_s, [0, 1.6, 3.2, 4.8, 6.4], rtol=1e-6)
    assert found.end_s == pytest.approx(8)


def test_the_first_volume_is_where_slice_timing_put_it(timing):
    found = timing(2, "sec", {"RepetitionTime": 2, "StartTime": 0.975})
    np.testing.assert_allclose(found.times_s[:2], [0.975, 2.975])


@pytest.mark.parametrize(
    ("time", "unit", "sidecar", "told"),
    [
        (2, "sec", {"RepetitionTime": 1.6}, "says a repetition time of 2 s, but .* says 1.6 s"),
        (1, "unknown", {}, "Neither the header .* nor bold.json tells the repetition time"),
        (1, "unknown", None, "Write `RepetitionTime`, in seconds"),
        (1, "unknown", {"RepetitionTime": 1600}, "bold.json says a repetition time of 1600"),
        (1, "unknown", {"RepetitionTime": "1.6"}, "says a repetition time of '1.6'"),
        (1, "unknown", {"RepetitionTime": 0}, "says a repetition time of 0"),
        (2, "sec", {"StartTime": -1}, "says StartTime -1"),
        (2, "sec", ["RepetitionTime"], "holds no names and values"),
    ],
)
def test_a_repetition_time_that_is_missing_or_contradicted_is_refused(
    timing, time, unit, sidecar, told
):
    with pytest.raises(ValueError, match=told):
        timing(time, unit, sidecar)
