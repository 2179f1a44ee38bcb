"""A graph's codes depend on the seed of its training sample, and on nothing else."""

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
