"""Files of embeddings of many blocks: rows keep their numbers, and samples lie everywhere."""

import hashlib

import numpy as np
import pytest

from mindeye.files import sha256_of
from mindeye.retrieval.gallery.sources import vector_files
from mindeye.retrieval.gallery.sources.vector_files import (
    check_vectors,
    checksum_of,
    open_vectors,
    require_same_network,
    write_normalised,
)


@pytest.fixture
def written(tmp_path):
    """Unit vectors of which some rows are changed; gives the file."""

    def write(count, changes=()):
        vectors = np.random.default_rng(0).standard_normal((count, 4))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for row, factor in dict(changes).items():
            vectors[row] *= factor
        np.save(tmp_path / "v.npy", vectors.astype(np.float16))
        return tmp_path / "v.npy"

    return write


def test_rows_of_every_block_are_read_and_named(written, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK", 10)
    path, told = written(35, {3: np.nan, 17: 0, 34: np.inf, 20: 0.2}), []
    found = check_vectors(path, progress=told.append)
    assert found.not_finite.tolist() == [3, 17, 34]
    assert (found.not_unit, found.count, found.width) == (1, 35, 4)
    assert found.extreme_norm == pytest.approx(0.2, abs=1e-3)
    assert found.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told == [80, 160, 240, 280]
    vectors = np.load(path)[np.setdiff1d(np.arange(35), found.not_finite)].astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.mean, vectors.mean(0), atol=1e-4)


def test_copies_of_many_blocks_have_length_one(written, monkeypatch, tmp_path):
    monkeypatch.setattr(vector_files, "BLOCK", 10)
    path = written(35, {5: 3, 20: 0.5, 34: 0})
    write_normalised(path, tmp_path / "copy.npy")
    copy, vectors = np.load(tmp_path / "copy.npy").astype(float), np.load(path).astype(float)
    lengths = np.linalg.norm(copy, axis=1)
    np.testing.assert_allclose(lengths[:34], 1, atol=2e-3)
    assert lengths[34] == 0
    cosines = (copy * vectors).sum(1)[:34] / np.linalg.norm(vectors, axis=1)[:34]
    np.testing.assert_allclose(cosines, 1, atol=2e-3)


def test_samples_of_a_quick_look_lie_between_the_first_and_the_last_row(written, monkeypatch):
    monkeypatch.setattr(vector_files, "_QUICK_ROWS", 5)
    monkeypatch.setattr(vector_files, "BLOCK", 2)
    # Rows 0, 25, 50, 75 and 100 are read.
    found = check_vectors(written(101, {50: np.nan, 100: 0, 60: np.nan, 75: 3}), quick=True)
    assert found.not_finite.tolist() == [50, 100]
    assert found.not_unit == 1
    assert found.checksum.startswith("quick:")


def test_a_copys_checksum_is_made_as_that_of_its_source(written):
    path = written(9)
    assert checksum_of(path, "abc") == sha256_of(path)
    quick = checksum_of(path, "quick:abc")
    assert quick == check_vectors(path, quick=True).checksum


def test_a_file_that_is_cut_off_while_it_is_read_is_an_error_and_no_crash(written, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK", 100)
    path = written(30_000)

    def cut(num_read):
        with path.open("r+b") as stream:
            stream.truncate(20_000)

    with pytest.raises(ValueError, match=r"has 20000 bytes, but had \d+ when it was opened"):
        check_vectors(path, progress=cut)


def test_means_that_say_nothing_are_not_compared(tmp_path):
    long, short = np.array([0.9, 0.0]), np.array([-0.1, 0.0])
    require_same_network(tmp_path, short, long)
    require_same_network(tmp_path, long, short)
    with pytest.raises(ValueError, match=r"cosine of -1\.00"):
        require_same_network(tmp_path, -long, long)


def test_single_precision_is_read_and_a_file_that_is_gone_is_named(tmp_path):
    np.save(tmp_path / "single.npy", np.eye(3, dtype=np.float32))
    assert check_vectors(tmp_path / "single.npy").count == 3
    with pytest.raises(FileNotFoundError, match=r"gone\.npy is missing"):
        open_vectors(tmp_path / "gone.npy")
