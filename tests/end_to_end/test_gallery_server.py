"""The server as its own process: it answers over a real socket, and Ctrl-C ends it in order."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery

pytest.importorskip("uvicorn", reason="needs the extra `serve`: pip install 'mindeye[serve]'")


@pytest.fixture
def served(tmp_path):
    """A running server of six vectors, and its address."""
    np.save(tmp_path / "vectors.npy", np.eye(6, 8, dtype=np.float16))
    shard = GalleryShard(
        name="0", first=0, count=6, num_kept=6, embeddings=Path("vectors.npy"), sha256=""
    )
    about = {"sources": [{}], "simulated": None}
    write_gallery(tmp_path, network="n", width=8, shards=[shard], about=about)
    process = subprocess.Popen(
        [sys.executable, "-m", "mindeye", "gallery", "serve", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        lines = iter(process.stdout.readline, "")
        yield process, next(line.split()[1] for line in lines if line.startswith("page: "))
    finally:
        process.kill()
        process.wait()


def answer_of(address: str, body: bytes | None = None) -> bytes:
    """Asks until the port, which is taken before anything else, is listened on."""
    for _ in range(100):
        try:
            return urllib.request.urlopen(address, body, timeout=30).read()
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.1)
    raise TimeoutError(address)


def test_a_served_gallery_answers_until_ctrl_c(served):
    process, address = served
    assert b"<!doctype html>" in answer_of(address)
    query = {"embedding_input": [0, 0, 3, 1, 0, 0, 0, 0], "num_images": 2}
    found = json.loads(answer_of(f"{address}knn-service", json.dumps(query).encode()))
    assert [one["id"] for one in found] == [2, 3]
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert out.splitlines()[-1] == "stopped"
    assert "Traceback" not in error
