"""`gallery index` and `gallery search` by Milvus Lite from the command line."""

import re
from pathlib import Path

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery


@pytest.fixture
def gallery(tmp_path):
    """Forty vectors in two shards."""
    folder, shards = tmp_path / "gallery", []
    folder.mkdir()
    vectors = np.random.default_rng(0).standard_normal((40, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number in range(2):
        np.save(folder / f"{number}.npy", vectors[20 * number :][:20].astype(np.float16))
        shards.append(
            GalleryShard(
                name=str(number),
                first=20 * number,
                count=20,
                num_kept=20,
                embeddings=Path(f"{number}.npy"),
                sha256="",
            )
        )
    np.save(tmp_path / "query.npy", vectors[[33]].astype(np.float32))
    about = {"sources": [{}], "simulated": None}
    return write_gallery(folder, network="n", width=8, shards=shards, about=about)


def told(capsys, *arguments) -> str:
    main(["gallery", *map(str, arguments)])
    return capsys.readouterr().out


def test_an_import_is_told_resumed_and_searched(gallery, tmp_path, capsys):
    reason = "needs the extra `milvus`: pip install 'mindeye[milvus]'"
    pytest.importorskip("milvus_lite", reason=reason)
    engine = ("--engine", "milvus", "--uri", tmp_path / "x.db")
    query = ("search", gallery.path, "--embedding", tmp_path / "query.npy", "--k", 5)
    with pytest.raises(SystemExit):
        main(["gallery", *map(str, (*query, *engine))])
    assert "has no collection" in capsys.readouterr().err
    assert "40 vectors of 2 shards were sent" in told(capsys, "index", gallery.path, *engine)
    assert "0 vectors of 0 shards were sent, 2 shards were in" in told(
        capsys, "index", gallery.path, *engine
    )
    here, there = told(capsys, *query), told(capsys, *query, *engine)
    rows = [line for line in here.splitlines() if not line.startswith("#")]
    assert rows == [line for line in there.splitlines() if not line.startswith("#")]
    assert "\t33\t" in rows[1]
    assert "in Milvus Lite" in there


def test_a_dry_run_counts_and_sends_nothing(gallery, tmp_path, capsys):
    reason = "needs the extra `milvus`: pip install 'mindeye[milvus]'"
    pytest.importorskip("milvus_lite", reason=reason)
    engine = ("--engine", "milvus", "--uri", tmp_path / "x.db")
    screen = told(capsys, "index", gallery.path, *engine, "--dry-run")
    assert "40 vectors of 2 shards would be compared" in screen
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--engine", "milvus"], "needs --uri"),
        (["--uri", "x.db"], "no other engine takes it"),
        (["--engine", "milvus", "--uri", "x.db", "--kind", "hnsw"], "--kind is of the index on"),
        (["--engine", "milvus", "--uri", "x.db", "--check"], "--check is of the index on"),
        (["--engine", "milvus", "--uri", "x.db", "--recall", "0.9"], "--recall is of the index"),
        (["--engine", "milvus", "--uri", "x.db", "--memory", "1G"], "--memory is of the index"),
        (["--engine", "milvus", "--uri", "x.db", "--threads", "1"], "--threads is of the index"),
        (["--engine", "milvus", "--uri", "x.db", "--seed", "1"], "--seed is of the index"),
        (["--engine", "milvus", "--uri", "x.db", "--lists", "4"], "--lists is of the index"),
        (["--engine", "milvus", "--uri", "x.db", "--queries", "q.npy"], "--queries is of the"),
        (["--engine", "milvus", "--uri", "x.db", "--shard-index", "0"], "--shard-index is of"),
        (["--engine", "milvus", "--uri", "x.db", "--retrain"], "--retrain is of the index"),
        (["--index-type", "HNSW"], "are of Milvus"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given, message, gallery, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["gallery", "index", str(gallery.path), *given])
    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)
