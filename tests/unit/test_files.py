import hashlib
import math
from pathlib import Path

import pytest

from mindeye.files import (
    atomic_folder,
    atomic_path,
    read_json,
    require_free_space,
    sha256_of,
    write_json,
    write_text,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _break_off(writing, error: BaseException) -> None:
    with writing as temporary:
        half = temporary / "part" if temporary.is_dir() else temporary
        half.write_text("half")
        raise error


def test_a_file_is_absent_until_its_block_ends(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["file.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt):
        _break_off(atomic_path(path), KeyboardInterrupt())
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file.txt"]


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="full"):
        _break_off(atomic_folder(tmp_path / "folder"), OSError("full"))
    assert names_in(tmp_path) == []


def test_files_and_folders_can_be_read_by_others(tmp_path):
    write_text(tmp_path / "file", "")
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "part").touch()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_json_comes_back(tmp_path):
    value = {"a": [1, 2.5, None], "b": {"c": "é"}}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value


def test_nan_is_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "value.json", {"a": math.nan})
    assert names_in(tmp_path) == []


def test_json_that_was_cut_off_is_named(tmp_path):
    path = tmp_path / "value.json"
    path.write_text('{"a": ')
    with pytest.raises(ValueError, match=r"value\.json is not readable JSON.*Was it cut off\?"):
        read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json")


def test_the_checksum_is_sha256(tmp_path):
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_full_disk_is_refused_with_both_numbers(tmp_path):
    require_free_space(tmp_path / "not" / "yet", 1, "A byte")
    with pytest.raises(OSError, match=r"Too much needs about 1000000000000 MB, but .* MB free"):
        require_free_space(tmp_path / "not" / "yet", 10**18, "Too much")
