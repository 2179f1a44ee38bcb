import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mindeye.disk import UnwrittenError, naming_full_disks, require_free_space
from mindeye.files import atomic_folder, atomic_path


def test_a_full_disk_is_refused_with_both_numbers(tmp_path):
    require_free_space(tmp_path / "not" / "yet", 1, "A byte")
    with pytest.raises(OSError, match=r"Too much needs about 1000000000000 MB, but .* MB free"):
        require_free_space(tmp_path / "not" / "yet", 10**18, "Too much")


def full_disk(path: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_a_full_disk_names_the_target_and_not_its_temporary(tmp_path):
    with (
        pytest.raises(UnwrittenError) as caught,
        atomic_folder(tmp_path / "folder") as temporary,
        atomic_path(temporary / "inside.txt") as inside,
    ):
        full_disk(inside)
    assert str(caught.value) == (
        f"{tmp_path / 'folder'} could not be written (No space left on device). Is the disk full? "
        "What was there before is intact; make room and run the same command again."
    )
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_are_left_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), naming_full_disks(tmp_path):
        (tmp_path / "absent").read_text()
    with pytest.raises(RuntimeError, match="of ours"), naming_full_disks(tmp_path):
        raise RuntimeError("of ours")


FULL_HDF5 = """
import sys
import tempfile
from pathlib import Path
import h5py, numpy
from mindeye.disk import UnwrittenError
from mindeye.files import atomic_folder
try:
    with atomic_folder(Path(sys.argv[1])) as folder, h5py.File(folder / "a.hdf5", "w") as file:
        stored = file.create_dataset("a", (4000, 100), "f8", chunks=(1, 100))
        for row in range(4000):
            stored.id.write_direct_chunk((row, 0), numpy.ones(100).tobytes())
except UnwrittenError as error:
    print(error)
"""


def test_a_disk_that_fills_up_under_hdf5_is_told_like_any_other(tmp_path):
    def few_bytes():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", FULL_HDF5, str(tmp_path / "out")],
        preexec_fn=few_bytes,
        capture_output=True,
        text=True,
    )
    assert "out could not be written (File too large)" in done.stdout, done.stderr
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("writing", [atomic_path, atomic_folder])
def test_a_place_where_nothing_may_be_written_is_named(tmp_path, monkeypatch, number, writing):
    def closed(**given):
        raise OSError(number, os.strerror(number), str(given["dir"]))

    monkeypatch.setattr(tempfile, "mkdtemp", closed)
    with pytest.raises(PermissionError) as caught, writing(tmp_path / "out"):
        raise AssertionError("nothing is begun")
    assert str(caught.value) == (
        f"{tmp_path / 'out'} may not be written ({os.strerror(number)}). "
        "Choose another folder, or get the right to write there."
    )


def test_a_forbidden_file_that_is_read_while_writing_is_not_taken_for_the_folder(tmp_path):
    with pytest.raises(PermissionError, match=r"secret"), atomic_folder(tmp_path / "out"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "secret")


def test_few_bytes_are_told_in_parts_of_a_megabyte(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=20_000))
    with pytest.raises(OSError, match=r"It needs about 0\.06 MB, but .* has 0\.02 MB free"):
        require_free_space(tmp_path, 60_000, "It")


@pytest.mark.parametrize("below", ["out", "a/b/out"])
@pytest.mark.parametrize("writing", [atomic_path, atomic_folder])
def test_a_file_where_a_folder_should_be_is_named(tmp_path, writing, below):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(NotADirectoryError) as caught, writing(tmp_path / "file" / below):
        raise AssertionError("nothing is begun")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / below} cannot be written: ")
    assert str(caught.value).endswith("Choose another folder.")
    assert (tmp_path / "file").read_text() == "kept"
