"""A graph depends on the seed of its training sample, and on no kill and no thread."""

import faiss
import pytest

from mindeye.retrieval.gallery.index.folder import GRAPH
from mindeye.retrieval.gallery.index.graph_index import build_graph


def test_the_seed_chooses_the_training_sample(gallery_of, tmp_path):
    gallery, graphs = gallery_of(), []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        (folder / "whole").mkdir(parents=True)
        build_graph(gallery, folder, 50, lambda *told: None, seed=seed)
        graphs.append((folder / "whole" / GRAPH).read_bytes())
    assert graphs[0] == graphs[1]
    assert graphs[0] != graphs[2]


class Killed(BaseException):
    """As a kill, nothing catches it."""


def test_a_graph_that_was_killed_goes_on_behind_its_last_shard(gallery_of, tmp_path):
    gallery, graphs, steps = gallery_of(), [], []

    def stop(what, done, total):
        if done == 2:
            raise Killed

    for name in ("whole", "killed"):
        folder = tmp_path / name
        (folder / "whole").mkdir(parents=True)
        if name == "killed":
            with pytest.raises(Killed):
                build_graph(gallery, folder, 50, stop, seed=0)
        steps.clear()
        build_graph(gallery, folder, 50, lambda *told: steps.append(told), seed=0)
        graphs.append((folder / "whole" / GRAPH).read_bytes())
    assert steps == [("adding", 3, 3)]
    assert graphs[0] == graphs[1]


def test_one_thread_links_and_all_are_there_again_afterwards(gallery_of, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(faiss, "omp_get_max_threads", lambda: 7)
    monkeypatch.setattr(faiss, "omp_set_num_threads", told.append)
    (tmp_path / "whole").mkdir()
    build_graph(gallery_of(num_shards=1), tmp_path, 50, lambda *given: told.append("added"), seed=0)
    assert told == [1, "added", 7]
