"""The benchmark against plain loops; what an index loses; when nothing is extrapolated."""

from dataclasses import replace

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.planted.planted import PlantedRanks
from mindeye.verbs.retrieval.gallery_benchmark import (
    TOPS,
    BenchmarkSettings,
    _rows,
    benchmark_gallery,
    shown_rows,
    sizes_up_to,
)
from mindeye.verbs.retrieval.gallery_extrapolation import extrapolated

# The tests' network finds all pictures alike.
SETTINGS = BenchmarkSettings(duplicate_above=0.9995, resamples=200)


def test_the_seen_picture_is_ranked_among_all_others(material):
    found = benchmark_gallery(material, SETTINGS)
    assert (found.ranks.own_rows >= 150).all()
    values = {row.metric: row.value for row in found.rows}
    gallery = material.gallery
    vectors = gallery.vectors(np.arange(gallery.num_rows))
    scores = material.brain @ vectors.T
    ranks = []
    for image, own in enumerate(found.ranks.own_rows):
        truth = material.brain[image] @ material.truths[image]
        others = np.delete(scores[image], own)
        assert found.ranks.copies[image] == 1
        ranks.append(1 + (others >= truth - 1e-6).sum())
    size = found.sizes[-1]
    assert found.sizes[:-1] == [100]
    name = f"of {size:,} distractors, near duplicates as rivals"
    # All of them is one more than are drawn where none is a near duplicate.
    expected = 1 + (np.array(ranks) - 1) * size / 157
    assert values[f"median rank {name}"] == pytest.approx(np.median(expected))
    assert values["top-100 of 100 distractors, near duplicates left out"] > 0.7
    assert sizes_up_to(158) == [100, 158]
    assert sizes_up_to(100) == [100]
    assert sizes_up_to(7) == [7]
    assert sizes_up_to(100_000) == [100, 1000, 10_000, 100_000]


class Losing:
    """Exact search that never finds some rows."""

    about = "made up"

    def __init__(self, gallery, lost):
        self.exact, self.lost = ExactIndex(gallery), lost

    def search(self, queries, k):
        near = self.exact.search(queries, k + len(self.lost))
        kept = [np.flatnonzero(~np.isin(rows, self.lost))[:k] for rows in near.rows]
        return Neighbours(
            np.take_along_axis(near.scores, np.stack(kept), 1),
            np.take_along_axis(near.rows, np.stack(kept), 1),
        )


def test_what_the_index_loses_is_told_apart_from_what_the_decoder_loses(material):
    exact = benchmark_gallery(material, SETTINGS)
    assert "nothing is lost" in exact.loss["notes"][0]
    lost = exact.ranks.own_rows[:2]
    found = benchmark_gallery(replace(material, index=Losing(material.gallery, lost)), SETTINGS)
    told = found.loss["tops"]["top-100"]
    held = found.ranks.rivals < 100
    assert told["found exactly"] == pytest.approx(held.mean())
    assert told["lost to the index"] == pytest.approx(held[:2].sum() / 8)
    assert told["found by the index"] == pytest.approx(held[2:].sum() / 8)
    assert 0.9 < told["recall"] < 1
    assert [row.value for row in found.rows] == [row.value for row in exact.rows]


def made_up_ranks(distractors, scores) -> PlantedRanks:
    zeros = np.zeros(len(scores), np.int64)
    rivals = (distractors >= scores[:, None]).sum(1)
    return PlantedRanks(
        num_vectors=distractors.shape[1],
        own_rows=zeros - 1,
        own_scores=scores,
        copies=zeros,
        duplicates=zeros,
        rivals=rivals,
        rival_duplicates=zeros,
        rivals_of_best=rivals,
        tail=-np.sort(-distractors, axis=1)[:, :2000],
    )


def test_accuracy_is_extrapolated_only_as_far_as_a_trial_has_come_right():
    rng = np.random.default_rng(0)
    distractors = rng.normal(size=(60, 80_000)).astype(np.float32)
    scores = rng.normal(4, 0.7, size=60).astype(np.float32)
    found = extrapolated(made_up_ranks(distractors, scores), TOPS, rng)
    assert {row.distractors for row in found.rows} == {800_000}
    assert {one.factor for one in found.trials} == {10}
    assert all(row.low <= row.value <= row.high for row in found.rows)
    # Of 60 images, a share between has an error of some 0.06: 95% lie within twice that.
    spans = [row.high - row.low for row in found.rows if 0.2 < row.value < 0.8]
    assert spans
    assert min(spans) > 0.1
    assert "10 times the gallery, no further" in found.notes[0]
    # A few that are far more alike than all others: rare ones that a tenth does not foretell.
    distractors[:, ::8000] = 9
    scores[:] = 8
    refused = extrapolated(made_up_ranks(distractors, scores), TOPS, rng)
    assert not refused.rows
    assert "not extrapolated: from 1/10" in refused.notes[0]
    few = extrapolated(made_up_ranks(distractors[:, :900], scores), TOPS, rng)
    assert "900 distractors are too few" in few.notes[0]


def test_the_command_writes_rows_json_and_a_figure(finished_run, planted_gallery, tmp_path, capsys):
    out = tmp_path / "bench"
    base = ["retrieve", str(finished_run), "--gallery", str(planted_gallery), "--out", str(out)]
    main([*base, "--benchmark", "--alike", "0.9995", "--by", "tokens"])
    told = capsys.readouterr().out
    assert "exact search of all tokens of 158 pictures" in told
    assert "SIMULATED" in told.splitlines()[-1]
    saved = read_json(out / "benchmark.json")
    assert len(saved["per image"]["rivals"]) == 8
    assert saved["compared by"] == "tokens"
    assert (out / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "benchmark.tsv").read_text().startswith("# SIMULATED")


def test_every_row_says_what_chance_gives_and_what_is_better(material):
    found = benchmark_gallery(material, SETTINGS)
    rows = {row.metric: row for row in found.rows}
    top = rows["top-5 of 100 distractors, near duplicates left out"]
    assert (top.chance, top.better, top.n) == (pytest.approx(5 / 101), "higher", 8)
    median = rows["median rank of 100 distractors, near duplicates left out"]
    # The middle of 101 places.
    assert (median.chance, median.better) == (51, "lower")
    shown = {row.metric for row in shown_rows(found.rows)}
    assert top.metric in shown
    assert len(shown) == len(rows) / 3


def test_a_top_100_of_fewer_is_no_row():
    ranks = made_up_ranks(np.zeros((4, 57), np.float32), np.ones(4, np.float32))
    ranks = replace(ranks, duplicates=np.array([0, 3, 0, 0]), tail=ranks.tail[:, :54])
    metrics = {row.metric for row in _rows(ranks, [54], np.random.default_rng(0), 50)}
    assert "top-10 of 54 distractors, near duplicates as rivals" in metrics
    assert not any(metric.startswith("top-100 ") for metric in metrics)
