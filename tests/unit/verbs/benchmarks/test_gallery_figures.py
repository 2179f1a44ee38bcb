"""What the benchmark appends is what the plan reads."""

from mindeye.verbs.benchmarks import gallery_index
from mindeye.verbs.gallery.plan import read_figures

OURS = {
    "training_s": 1.0,
    "adding_s": 2.0,
    "writing_s": 0.5,
    "build_s": 3.5,
    "peak_mb": 900.0,
    "bytes_a_vector": 120.0,
    "lists": 64,
}
SEARCH = {"recall": 0.9, "ms_a_query": 0.4, "probes": 8, "candidates": 100, "peak_mb": 500.0}


def test_every_run_of_the_benchmark_appends_a_line_that_the_plan_reads(tmp_path, monkeypatch):
    said = iter([OURS, SEARCH] * 2)
    monkeypatch.setattr(gallery_index, "told", lambda command: next(said))
    monkeypatch.setattr(gallery_index, "simulated_gallery", lambda *given: None)
    monkeypatch.setattr(gallery_index, "write_truth", lambda *given: None)
    path = tmp_path / "figures.jsonl"
    for num_vectors in (40_000, 20_000):
        lines = gallery_index.benchmark(
            tmp_path / "program",
            tmp_path,
            num_vectors=num_vectors,
            width=16,
            lists=64,
            recall=0.9,
            num_queries=64,
            threads=2,
            seed=0,
            bare=False,
            figures=path,
        )
        assert list(lines)[-1] == f"figures: {path}"
    found = read_figures(path)
    assert [(row.vectors, row.threads, row.peak_mb) for row in found] == [
        (20_000, 2, 900.0),
        (40_000, 2, 900.0),
    ]
