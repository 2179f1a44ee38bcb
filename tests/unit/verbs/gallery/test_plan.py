"""The plan against its laws, worked out by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.verbs.gallery.plan import Figures, Node, plan_gallery, read_figures

NODE = Node(disk=8e12, memory=64e9, cores=2, hours=24.0)


def figures(vectors: int = 1_000_000, **changed) -> Figures:
    values = {
        "vectors": vectors,
        "width": 768,
        "threads": 2,
        "lists": 4096,
        "training_s": 36.0,
        "adding_s": 30.0,
        "writing_s": 6.0,
        "peak_mb": 3000.0,
        "bytes_a_vector": 120.0,
        "recall": 0.97,
        "probes": 64,
        "candidates": 100,
        "ms_a_query": 2.0,
    }
    return Figures(**{**values, **changed})


def test_disk_and_memory_of_laion_are_those_of_its_bytes():
    plan = plan_gallery(5_850_000_000, [figures()], NODE)
    assert plan.lists == 262_144
    assert plan.embeddings_bytes == pytest.approx(8.986e12, rel=1e-3)
    assert plan.index_bytes == pytest.approx(0.702e12)
    # 40 vectors a list (32.2 GB); libraries; centroids, twice, and their sums; products of a block.
    working = 1.4e9 + 14 * 768 * 262_144 + 4 * 4096 * 262_144
    assert plan.training_memory == pytest.approx(40 * 262_144 * 768 * 4 + working, rel=1e-3)
    # Centroids and a bit a vector.
    assert plan.search_memory == pytest.approx(0.805e9 + 0.731e9, rel=1e-2)
    # 9.7 TB on machines of 8.
    assert plan.nodes >= 2


def test_training_grows_with_the_square_of_the_lists_and_searching_with_what_is_scanned():
    plan = plan_gallery(16_000_000, [figures()], NODE)
    assert plan.lists == 16_384
    assert plan.training_hours == pytest.approx(16 * 36 / 3600)
    # 16 times the vectors in 4 times the lists.
    assert plan.ms_a_query == pytest.approx(8.0)
    halved = plan_gallery(16_000_000, [figures()], Node(**{**asdict(NODE), "cores": 4}))
    assert halved.training_hours == pytest.approx(plan.training_hours / 2)
    assert halved.ms_a_query == pytest.approx(4.0)


def test_a_query_reads_the_lists_that_it_probes_and_the_pages_of_its_candidates():
    plan = plan_gallery(16_384_000, [figures()], NODE)
    # 64 lists of 1,000 vectors; a row of 1,536 bytes lies in 1 + 1,535 / 4,096 pages on average.
    pages = np.mean([1 + (begin + 1535) // 4096 for begin in range(4096)])
    expected = 64 * 1000 * 120 + 100 * 4096 * pages
    assert plan.query_bytes == pytest.approx(expected, rel=1e-4)


def test_adding_follows_the_line_through_two_measured_sizes():
    # 36 and 72 microseconds a vector at 4,096 and 8,192 lists: 144 at 16,384.
    both = [figures(), figures(10_000_000, lists=8192, adding_s=700.0, writing_s=20.0)]
    plan = plan_gallery(16_000_000, both, NODE)
    assert plan.adding_hours == pytest.approx(16e6 * 144e-6 / 3600)
    alone = plan_gallery(16_000_000, [figures()], NODE)
    assert alone.adding_hours == pytest.approx(16e6 * 36e-6 / 3600)


def test_what_breaks_first_is_what_one_machine_has_least_of():
    small = Node(disk=1e12, memory=8e9, cores=2, hours=1000.0)
    plan = plan_gallery(5_850_000_000, [figures()], small)
    assert [name for name, _ in plan.breaks] == ["disk", "memory of training"]
    assert plan.breaks[0][1] == pytest.approx(9.69, rel=1e-2)
    assert plan.nodes == 10
    assert plan_gallery(2_000_000, [figures()], NODE).breaks == ()


def test_machines_are_as_many_as_the_hours_ask_for():
    # One machine adds in 58.5 h; training leaves 24 - 41 -> the tenth of the time at least.
    plan = plan_gallery(5_850_000_000, [figures(training_s=3.6)], NODE)
    left = 24 - plan.training_hours
    assert plan.nodes == -(-plan.adding_hours // left)
    assert plan.hours <= 24


def test_figures_are_read_by_size_and_damaged_ones_refused(tmp_path):
    path = tmp_path / "figures.jsonl"
    lines = [json.dumps(asdict(figures(size)) | {"more": 1}) for size in (10_000_000, 1_000_000)]
    path.write_text("\n\n".join(lines))
    assert [row.vectors for row in read_figures(path)] == [1_000_000, 10_000_000]
    for text, message in (
        ("", "is empty"),
        ("{", "line 1 is no measurement"),
        ("[]", "line 1 is no measurement"),
        (json.dumps({"vectors": 3}), "line 1 is no measurement"),
        (json.dumps(asdict(figures()) | {"probes": 0}), "probes is 0"),
        (json.dumps(asdict(figures()) | {"probes": "8"}), "probes is '8'"),
        (json.dumps(asdict(figures()) | {"recall": float("nan")}), "recall is nan"),
        (json.dumps(asdict(figures()) | {"adding_s": float("inf")}), "adding_s is inf"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_figures(path)
    path.write_bytes(b"\x80\x02}q")
    with pytest.raises(ValueError, match="line 1 is no measurement"):
        read_figures(path)


def test_the_verb_tells_what_was_measured_apart_from_what_was_computed(tmp_path, capsys):
    path = tmp_path / "figures.jsonl"
    path.write_text(json.dumps(asdict(figures())))
    main(["gallery", "plan", "--vectors", "5.85e9", "--figures", str(path), "--disk", "8T"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("measured:")
    assert "computed for 5,850,000,000 vectors in 262,144 lists, on 16 cores:" in lines
    assert any(line.startswith("breaks first on one machine:") for line in lines)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--vectors", "1e9"], "is not there"),
        (["--vectors", "0"], "cannot be"),
        (["--vectors", "nan"], "cannot be"),
        (["--vectors", "1e9", "--disk", "0"], "disk is 0."),
    ],
)
def test_a_plan_of_nothing_is_refused(given, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["gallery", "plan", "--figures", str(tmp_path / "absent"), *given])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_fewer_vectors_than_were_measured_are_not_extrapolated():
    with pytest.raises(ValueError, match="Measure them instead"):
        plan_gallery(10, [figures()], NODE)
