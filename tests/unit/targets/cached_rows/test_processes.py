"""Processes that embed: on a full disk, several at once, and one that is killed."""

import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

EMBED = """
import sys
import time
from pathlib import Path
import numpy as np
import torch
from mindeye.files import sha256_of
from mindeye.pictures import SavedPictures
from mindeye.targets.cached_rows import cached_rows
from mindeye.targets.embedder import Embedder
folder, images = map(Path, sys.argv[1:])
ids = np.arange(len(np.load(images, mmap_mode="r")))
pictures = SavedPictures(path=images, sha256=sha256_of(images), image_ids=ids, rows=ids)

def embed(images):
    time.sleep(0.2)
    return images.flatten(1)

network = Embedder(
    role="maps", identity="slow", row_shape=(12,), device=torch.device("cpu"), embed=embed
)
try:
    cached_rows(folder, pictures, [network], lambda *done: print(*done, flush=True))
except OSError as error:
    print(error)
"""


@pytest.fixture
def embed(tmp_path, folder):
    """The command that embeds 200 pictures into the cache in a process of its own."""
    path = tmp_path / "many.npy"
    np.save(path, np.random.default_rng(1).integers(0, 256, (200, 2, 2, 3), dtype=np.uint8))
    return [sys.executable, "-c", EMBED, str(folder), str(path)]


def files_of(folder) -> list:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_full_disk_ends_in_a_sentence_and_leaves_nothing(embed, folder):
    def few_bytes():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    done = subprocess.run(embed, preexec_fn=few_bytes, capture_output=True, text=True)
    assert "maps-slow could not be written (File too large)" in done.stdout, done.stderr
    assert not files_of(folder)


def test_processes_that_embed_at_once_do_the_work_once(embed, folder):
    running = [subprocess.Popen(embed, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [one.communicate()[0].split("\n")[:-1] for one in running]
    # One tells its progress, the others wait and open what it wrote.
    assert sorted(said) == [[], [], ["100 200", "200 200"]]
    assert len(list(folder.iterdir())) == 1


def test_a_kill_in_the_middle_leaves_no_rows_and_no_lock(embed, folder):
    cut = subprocess.Popen(embed, stdout=subprocess.PIPE, text=True)
    assert cut.stdout.readline() == "100 200\n"
    cut.kill()
    cut.wait()
    assert not (folder / "maps-slow").exists()
    said = subprocess.run(embed, capture_output=True, text=True).stdout
    assert said == "100 200\n200 200\n"
    assert [path.name for path in folder.iterdir()] == ["maps-slow"]
