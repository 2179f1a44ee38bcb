import hashlib
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mindeye.files import (
    atomic_folder,
    atomic_path,
    fingerprint_of,
    holds_something,
    read_json,
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


def test_json_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "value.json"
    path.write_bytes(b"\x80\x02}q")
    with pytest.raises(ValueError, match=r"value\.json is not readable JSON"):
        read_json(path)


def test_the_checksum_is_sha256(tmp_path):
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


KILLED_WRITER = """
import sys, time
from pathlib import Path
from mindeye import files
with getattr(files, sys.argv[1])(Path(sys.argv[2])) as temporary:
    (temporary / "half" if temporary.is_dir() else temporary).write_text("half")
    (temporary.parent / ".tmpDebris").touch()  # as safetensors writes beside its target
    print("under way", flush=True)
    time.sleep(60)
"""


def killed_writer(kind: str, path: Path) -> None:
    """Leaves what a process leaves that is killed while it writes `path`."""
    writer = [sys.executable, "-c", KILLED_WRITER, kind, str(path)]
    with subprocess.Popen(writer, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "under way\n"
        process.send_signal(signal.SIGKILL)


def test_what_a_killed_writer_left_is_swept_when_its_target_is_written_again(tmp_path):
    for kind, path in [("atomic_path", tmp_path / "a.txt"), ("atomic_path", tmp_path / "b.txt")]:
        killed_writer(kind, path)
    left = {name for name in names_in(tmp_path) if name.endswith(".part")}
    assert len(left) == 2
    assert all(name.startswith((".a.txt.", ".b.txt.")) for name in left)
    write_text(tmp_path / "a.txt", "whole")
    names = set(names_in(tmp_path))
    assert "a.txt" in names
    assert names & left == {name for name in left if name.startswith(".b.txt.")}


def test_what_a_killed_writer_of_a_folder_left_is_swept(tmp_path):
    killed_writer("atomic_folder", tmp_path / "there" / "folder")
    with atomic_folder(tmp_path / "there" / "folder"):
        pass
    (tmp_path / "there" / ".tmpDebris").unlink()  # the test's own
    assert names_in(tmp_path / "there") == ["folder"]


def test_debris_of_a_library_stays_inside_of_the_temporary(tmp_path):
    killed_writer("atomic_path", tmp_path / "a.txt")
    assert ".tmpDebris" not in names_in(tmp_path)


def test_temporaries_of_living_writers_and_other_files_are_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    mine = tmp_path / ".a.txt.notes.part"
    mine.write_text("mine")
    with atomic_path(path) as first:
        first.write_text("first")
        elsewhere = first.parent.with_name(".a.txt.00000000-1.abcdefgh.part")
        elsewhere.mkdir()  # of another machine: its processes cannot be seen
        write_text(path, "second")
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert names_in(tmp_path) == [elsewhere.name, mine.name, "a.txt"]


def test_a_fingerprint_tells_contents_and_sizes_apart_and_not_places(tmp_path):
    content = os.urandom(300_000)
    first, moved = tmp_path / "first", tmp_path / "deep" / "moved"
    moved.parent.mkdir()
    for path in (first, moved):
        path.write_bytes(content)
    assert fingerprint_of(first) == fingerprint_of(moved)
    others = [content[:-1], content[::-1], content[:-10] + bytes(10), bytes(10) + content[10:], b""]
    assert len({fingerprint_of(first), *map(lambda one: _fingerprint(moved, one), others)}) == 6


def _fingerprint(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return fingerprint_of(path)


def test_a_file_where_a_folder_is_to_be_written_is_named(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("by a file")
    with pytest.raises(NotADirectoryError, match=r"taken is a file, but .* Choose another place"):
        holds_something(taken)
    assert not holds_something(tmp_path / "absent")


@pytest.mark.parametrize("taken", ["folder/file", "folder"])
def test_a_folder_that_another_has_made_meanwhile_stays_as_it_is(tmp_path, taken):
    def written_twice() -> None:
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "mine").touch()
            write_text(tmp_path / taken, "theirs")

    with pytest.raises(FileExistsError, match=r"folder was made by something else .* choose an"):
        written_twice()
    assert (tmp_path / taken).read_text() == "theirs"
    assert names_in(tmp_path) == ["folder"]


def test_an_empty_folder_is_replaced_but_not_the_one_where_this_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (Path("."), Path(""), tmp_path, Path("/")):
        with pytest.raises(ValueError, match=r"where this runs .* Name a new folder in it"):
            atomic_folder(given).__enter__()
    assert names_in(tmp_path) == []
    (tmp_path / "empty").mkdir()
    with atomic_folder(Path("empty")) as temporary:
        (temporary / "part").touch()
    assert names_in(tmp_path / "empty") == ["part"]


def test_a_folder_where_a_file_is_to_be_written_is_named_before_the_work(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder, but a file .* Give a file's name"):
        atomic_path(tmp_path).__enter__()
    assert names_in(tmp_path) == []
