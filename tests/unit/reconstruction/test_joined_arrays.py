import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mindeye.files import load_arrays
from mindeye.reconstruction.joined_arrays import join_arrays, mapped_arrays


@pytest.fixture
def parts(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{index}.safetensors" for index in range(3)]
    arrays = [
        {
            "pictures": rng.integers(0, 256, (count, 5, 3), dtype=np.uint8),
            "tokens": rng.normal(size=(count, 7)).astype(np.float16),
            "ids": rng.integers(0, 73_000, count),
            "seconds": rng.normal(size=(count, 2)).astype(np.float32),
        }
        for count in (1, 3, 2)
    ]
    for path, one in zip(paths, arrays, strict=True):
        save_file(one, path)
    return paths, arrays


def test_the_joined_file_is_what_safetensors_would_have_written(parts, tmp_path):
    paths, arrays = parts
    join_arrays(paths, tmp_path / "joined.safetensors")
    whole = {name: np.concatenate([one[name] for one in arrays]) for name in arrays[0]}
    found = load_file(tmp_path / "joined.safetensors")
    assert found.keys() == whole.keys()
    for name in whole:
        assert found[name].dtype == whole[name].dtype
        np.testing.assert_array_equal(found[name], whole[name])
    save_file(whole, tmp_path / "theirs.safetensors")
    ours, theirs = (tmp_path / f"{name}.safetensors" for name in ("joined", "theirs"))
    assert ours.stat().st_size == theirs.stat().st_size
    assert ours.read_bytes() == theirs.read_bytes()


def test_what_is_left_out_is_not_there(parts, tmp_path):
    join_arrays(parts[0], tmp_path / "joined.safetensors", without=("seconds", "absent"))
    assert set(load_arrays(tmp_path / "joined.safetensors")) == {"pictures", "tokens", "ids"}


def test_mapped_arrays_are_those_of_safetensors_and_read_only(parts, tmp_path):
    paths, _ = parts
    whole = {**load_file(paths[1]), "none": np.empty((0, 4), np.float32)}
    path = tmp_path / "with-none.safetensors"
    save_file(whole, path, metadata={"by": "a test"})
    found = mapped_arrays(path)
    assert found.keys() == whole.keys()
    for name, one in whole.items():
        assert found[name].dtype == one.dtype
        np.testing.assert_array_equal(found[name], one)
    assert isinstance(found["pictures"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found["pictures"][0] = 0


def test_a_file_that_was_cut_off_or_holds_other_numbers_is_not_mapped(parts, tmp_path):
    paths, _ = parts
    content = paths[0].read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(content[:-3])
    with pytest.raises(ValueError, match="is damaged"):
        mapped_arrays(cut)
    save_file({"flags": np.ones(3, bool)}, tmp_path / "flags.safetensors")
    with pytest.raises(ValueError, match="`flags` holds BOOL"):
        mapped_arrays(tmp_path / "flags.safetensors")
