import pickle

import numpy as np
import pytest

from mindeye.data.scans.numpy_pickle import read_numpy_pickle
from mindeye.data.scans.scan import read_scan


class Runs:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def same(first, second) -> bool:
    if isinstance(second, np.ndarray):
        # NumPy itself turns bytes of the other order.
        return first.dtype.kind == second.dtype.kind and np.array_equal(first, second)
    if isinstance(second, dict):
        return first.keys() == second.keys() and all(
            same(first[key], second[key]) for key in second
        )
    if isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and first == second


@pytest.mark.parametrize(
    "value",
    [
        {"a": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.asfortranarray(np.eye(3)[:2])},
        {"a": np.arange(3, dtype=">i2"), "b": np.float32(2.5), "c": np.int64(-3)},
        {"a": None, "b": True, "c": False, "d": 3, "e": -2.5, "f": "text", "g": ("x", 1, ())},
        {"a": {"b": [1, 2, [3]]}, "c": 2**40, "d": np.zeros((0, 4)), "e": np.array([True, False])},
        {"same": [np.arange(300.0)] * 2, "long": "x" * 300},
    ],
)
def test_what_numpy_would_load_is_what_is_read(tmp_path, value):
    np.save(tmp_path / "one.npy", value)
    expected = np.load(tmp_path / "one.npy", allow_pickle=True).item()
    assert same(read_numpy_pickle(tmp_path / "one.npy", trust=True), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_of_older_versions_are_read_or_refused_in_a_sentence(tmp_path, protocol):
    content = {"betasmd": np.arange(4.0)}
    header = np.lib.format.magic(1, 0)
    path = tmp_path / "old.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(np.array(content, dtype=object), stream, protocol=protocol)
    assert path.read_bytes().startswith(header)
    if protocol == 2:  # arrays stand there as text that has to be encoded by a call
        with pytest.raises(ValueError, match=r"Save it again with np\.savez"):
            read_numpy_pickle(path, trust=True)
    else:
        np.testing.assert_array_equal(
            read_numpy_pickle(path, trust=True)["betasmd"], content["betasmd"]
        )


def test_a_pickle_is_refused_unless_it_is_trusted(brain, tmp_path):
    np.save(tmp_path / "TYPED_FITHRF_GLMDENOISE_RR.npy", {"betasmd": brain.volumes})
    with pytest.raises(ValueError, match=r"is a Python pickle, .* or pass --trust-pickle"):
        read_scan([tmp_path / "TYPED_FITHRF_GLMDENOISE_RR.npy"], brain.bundle)


@pytest.mark.parametrize("function", [exec, print, np.fromfile])
def test_even_a_trusted_pickle_runs_nothing(tmp_path, function, capsys):
    made = tmp_path / "made"
    argument = f"open({str(made)!r}, 'w')" if function is exec else "ran"
    np.save(tmp_path / "bad.npy", {"betasmd": Runs(function, argument)})
    with pytest.raises(ValueError, match=f"its pickle names .*{function.__name__}"):
        read_numpy_pickle(tmp_path / "bad.npy", trust=True)
    assert not made.exists()
    assert capsys.readouterr().out == ""


def test_a_pickle_that_was_cut_off_is_named_wherever_it_ends(tmp_path):
    np.save(tmp_path / "whole.npy", {"betasmd": np.arange(50.0), "names": ["a", "b"]})
    content = (tmp_path / "whole.npy").read_bytes()
    path = tmp_path / "cut.npy"
    for length in range(len(content) - 1, 0, -7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cut\.npy cannot be read"):
            read_numpy_pickle(path, trust=True)
