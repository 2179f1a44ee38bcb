"""`mindeye gallery index` on the command line."""

from pathlib import Path

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.retrieval.gallery.folder import GalleryShard, open_gallery, write_gallery
from mindeye.retrieval.gallery.index.folder import current_folder, open_index
from mindeye.simulate.clustered_vectors import ClusteredVectors


@pytest.fixture
def folder(tmp_path):
    path, shards = tmp_path / "gallery", []
    (path / "embeddings").mkdir(parents=True)
    for number in range(2):
        vectors = ClusteredVectors(width=32, num_clusters=20).shard(number, 600)
        np.save(path / "embeddings" / f"{number}.npy", vectors)
        shards.append(
            GalleryShard(
                name=str(number),
                first=600 * number,
                count=600,
                num_kept=600,
                embeddings=Path(f"embeddings/{number}.npy"),
                sha256=str(number),
            )
        )
    write_gallery(path, network="simulated", width=32, shards=shards, about={})
    return path


def index(folder, *arguments):
    main(["gallery", "index", str(folder), "--threads", "1", *arguments])


def refused(capsys, folder, *arguments):
    with pytest.raises(SystemExit) as caught:
        index(folder, *arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_a_small_gallery_is_searched_exactly(folder, capsys):
    index(folder)
    told = capsys.readouterr().out
    assert "exact search, nothing is built; 1,200 vectors" in told
    assert current_folder(open_gallery(folder)) is None


def test_a_dry_run_says_what_would_be_built_and_builds_nothing(folder, capsys):
    index(folder, "--kind", "ivf-rabitq", "--lists", "16", "--dry-run")
    told = capsys.readouterr().out
    assert "16 lists trained on 640 vectors" in told
    assert "bytes a vector" in told
    assert not (folder / "index").exists()


def test_parts_are_encoded_apart_and_finished_together(folder, capsys):
    chosen = ("--kind", "ivf-rabitq", "--lists", "16")
    for number, left in ((1, 1), (0, 0)):
        index(folder, *chosen, "--num-shards", "2", "--shard-index", str(number))
        assert f"{left} shards are still to be encoded" in capsys.readouterr().out
    index(folder, *chosen, "--recall", "0.9")
    told = capsys.readouterr().out
    assert "<- chosen" in told
    assert "queries of another kind" in told
    assert open_index(open_gallery(folder)).search(np.eye(32, dtype=np.float32), 3).rows.min() >= 0
    index(folder, "--check")
    assert "as they were written" in capsys.readouterr().out


def test_what_cannot_be_done_is_said_in_a_sentence(folder, capsys, tmp_path):
    assert "is no gallery" in refused(capsys, tmp_path / "absent")
    assert "has no index" in refused(capsys, folder, "--check")
    assert "recall of 95.0" in refused(capsys, folder, "--recall", "95")
    assert "is no part" in refused(capsys, folder, "--num-shards", "2", "--shard-index", "2")
    assert "is no part" in refused(capsys, folder, "--num-shards", "2")
    assert "-3 is no whole number from 1" in refused(capsys, folder, "--threads", "-3")
    part = ("--num-shards", "2", "--shard-index", "1")
    assert "would be exact, which is not built in parts" in refused(capsys, folder, *part)
    assert "has no lists" in refused(capsys, folder, "--kind", "hnsw", "--lists", "4")
    needs = ("--kind", "ivf-pq", "--lists", "4", "--memory", "10M")
    assert "GB are allowed" in refused(capsys, folder, *needs)
    queries = ("--kind", "ivf-rabitq", "--queries", str(tmp_path / "absent.npy"))
    assert "absent.npy is not a file" in refused(capsys, folder, *queries)
    path = folder / "embeddings" / "1.npy"
    path.write_bytes(path.read_bytes()[:-1])
    told = refused(capsys, folder, "--kind", "ivf-rabitq", "--lists", "4")
    assert "shard 1 is cut off" in told
    assert not (folder / "index").exists()


def test_an_index_that_grows_is_built_in_parts_whatever_would_be_chosen_anew(folder, capsys):
    whole = open_gallery(folder)
    given = {"network": whole.network, "width": whole.width, "about": whole.about}
    write_gallery(folder, shards=whole.shards[:1], **given)
    index(folder, "--kind", "ivf-rabitq", "--lists", "16")
    write_gallery(folder, shards=whole.shards, **given)
    index(folder, "--num-shards", "2", "--shard-index", "0")
    assert "0 shards are still to be encoded" in capsys.readouterr().out
    index(folder)
    assert open_index(open_gallery(folder)).index.ntotal == 1200


def test_cells_are_learnt_anew_where_that_is_asked_for(folder, capsys):
    chosen = ("--kind", "ivf-rabitq", "--lists", "16")
    index(folder, *chosen)
    before = current_folder(open_gallery(folder))
    index(folder, *chosen)
    assert current_folder(open_gallery(folder)) == before
    index(folder, *chosen, "--retrain")
    assert current_folder(open_gallery(folder)) != before
