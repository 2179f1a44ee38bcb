import gzip

import h5py
import numpy as np
import pytest

from mindeye.data.betas import read_hdf5, read_nifti, read_session, require_percent_signal


def expected_raw(written, session):
    return written.raw[session - 1][written.mask()]


@pytest.mark.parametrize("extension", ["hdf5", "nii.gz"])
def test_every_form_gives_percent_signal_in_c_order_of_the_mask(written, extension):
    path = written.betas / f"betas_session02.{extension}"
    betas = read_session(path, written.mask(), 750)
    assert betas.dtype == np.float32
    assert betas.flags.c_contiguous
    x, y, z = np.nonzero(written.mask())
    expected = written.raw[1][x, y, z].T.astype(np.float32) / np.float32(300)
    np.testing.assert_array_equal(betas, expected)


@pytest.mark.parametrize(
    ("chunks", "compression"),
    [((750, 1, 1, 1), "gzip"), ((750, 1, 1, 9), None), ((1, 7, 8, 9), None), (None, None)],
)
def test_other_chunks_give_the_same_array(written, tmp_path, chunks, compression):
    with h5py.File(tmp_path / "betas.hdf5", "w") as file:
        stored = written.raw[0].transpose(3, 2, 1, 0)
        file.create_dataset("betas", data=stored, chunks=chunks, compression=compression)
    betas = read_hdf5(tmp_path / "betas.hdf5", written.mask(), 750)
    np.testing.assert_array_equal(betas, expected_raw(written, 1))


def test_big_endian_numbers_are_read_as_numbers(written, tmp_path):
    with h5py.File(tmp_path / "betas.hdf5", "w") as file:
        stored = written.raw[0].transpose(3, 2, 1, 0).astype(">i2")
        file.create_dataset("betas", data=stored, chunks=(750, 1, 1, 1))
    betas = read_hdf5(tmp_path / "betas.hdf5", written.mask(), 750)
    np.testing.assert_array_equal(betas, expected_raw(written, 1))


def test_a_chunk_that_was_never_written_is_its_fill_value(written, tmp_path):
    x, y, z = np.argwhere(written.mask())[5]
    with h5py.File(tmp_path / "betas.hdf5", "w") as file:
        stored = file.create_dataset("betas", (750, 7, 8, 9), "<i2", chunks=(750, 1, 1, 1))
        stored[:, z, y, x] = 9
    betas = read_hdf5(tmp_path / "betas.hdf5", written.mask(), 750)
    assert (betas[5] == 9).all()
    assert betas.sum() == 9 * 750


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("extension", ["hdf5", "nii.gz"])
def test_a_truncated_file_is_named(own_tree, extension, share):
    path = own_tree.betas / f"betas_session01.{extension}"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"session01.{extension} cannot be read .*cut off"):
        read_session(path, own_tree.mask(), 750)


def test_a_gzip_stream_with_a_wrong_checksum_is_refused(own_tree):
    path = own_tree.betas / "betas_session01.nii.gz"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="CRC check failed"):
        read_nifti(path, own_tree.mask(), 750)


def test_a_file_that_is_no_hdf5_is_named(tmp_path, written):
    path = tmp_path / "betas_session01.hdf5"
    path.write_text("<html>Access denied</html>")
    with pytest.raises(ValueError, match=r"betas_session01.hdf5 cannot be read"):
        read_session(path, written.mask(), 750)


def test_an_hdf5_without_betas_says_what_it_has(tmp_path, written):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["other"] = [1]
    with pytest.raises(ValueError, match=r"it has \['other'\] and no data set `betas`"):
        read_session(tmp_path / "a.hdf5", written.mask(), 750)


@pytest.mark.parametrize("extension", ["hdf5", "nii.gz"])
def test_another_grid_and_another_number_of_trials_are_refused(written, extension):
    path = written.betas / f"betas_session01.{extension}"
    with pytest.raises(ValueError, match=r"grid \(9, 8, 7\).* mask has \(8, 8, 7\)"):
        read_session(path, written.mask()[1:], 750)
    with pytest.raises(ValueError, match="holds 750 trials, but the design has 744"):
        read_session(path, written.mask(), 744)


def test_floats_and_scaled_headers_are_refused(written, tmp_path, rewrite_volume):
    raw = written.raw[0]
    rewrite_volume(tmp_path / "a.nii.gz", raw.astype(np.float32) / 300)
    with pytest.raises(ValueError, match="holds float32, but NSD's betas are int16"):
        read_session(tmp_path / "a.nii.gz", written.mask(), 750)
    content = bytearray(gzip.decompress((written.betas / "betas_session01.nii.gz").read_bytes()))
    content[112:116] = np.float32(1 / 300).tobytes()
    (tmp_path / "b.nii").write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"carries the scale 0.00333"):
        read_session(tmp_path / "b.nii", written.mask(), 750)


def test_a_missing_file_is_named(tmp_path, written):
    with pytest.raises(FileNotFoundError, match=r"betas_session07.hdf5 is missing"):
        read_session(tmp_path / "betas_session07.hdf5", written.mask(), 750)


def test_units_other_than_percent_signal_are_recognised():
    betas = np.random.default_rng(0).normal(0.7, 2.3, (100, 40))
    require_percent_signal(betas, "here")
    require_percent_signal(np.zeros((100, 40)), "here")
    with pytest.raises(ValueError, match=r"here: mean .* 300 times too large"):
        require_percent_signal(betas * 300, "here")
    with pytest.raises(ValueError, match="divided by 300 already"):
        require_percent_signal(betas / 300, "here")
    z = (betas - betas.mean(0)) / betas.std(0, ddof=1)
    with pytest.raises(ValueError, match="z-scored already"):
        require_percent_signal(z, "here")
