"""The null in which whole runs of the scanner change places."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import scipy.stats
import torch

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json
from mindeye.metrics.statistics import permutation_p
from mindeye.retrieval.embedding_pairs import ScanOrder
from mindeye.retrieval.rank_scores import IMAGE_RETRIEVAL, label_nulls, rank_scores
from mindeye.retrieval.similarity import image_retrieval_rivals, similarity_matrix
from mindeye.verbs.retrieval.scanner_runs import partners, scan_order_of

RUNS = np.repeat(np.arange(8), 6)


def unrelated(seed: int) -> tuple[torch.Tensor, ScanOrder]:
    """Neighbours in the scan are alike on both sides, which else say nothing of each other."""
    rng = np.random.default_rng(seed)
    brain, images = (
        torch.from_numpy(rng.normal(size=(8, 4))[RUNS] + 0.4 * rng.normal(size=(48, 4)))
        for _ in range(2)
    )
    rows = rng.permutation(48)
    order = torch.from_numpy(np.argsort(rows))
    return similarity_matrix(brain[order], images[order]), ScanOrder(rows=rows, runs=RUNS)


def p_values(null: str) -> np.ndarray:
    scores, found = rank_scores(48, [10], tops=(1,)), []
    for seed in range(100):
        similarity, scan = unrelated(seed)
        drawn = {"blocks": lambda rng, scan=scan: partners(scan, rng), "labels": None}[null]
        rng = np.random.default_rng(seed)
        nulls = label_nulls(similarity, scores, rng, 99, drawn)[IMAGE_RETRIEVAL][:, 0]
        value = scores[0].of_rivals[image_retrieval_rivals(similarity)].mean()
        found.append(permutation_p(value, nulls))
    return np.array(found)


def test_exchanged_runs_give_uniform_p_values_where_exchanged_images_find_what_is_not_there():
    assert scipy.stats.kstest(p_values("blocks"), "uniform").pvalue > 0.01
    assert (p_values("labels") <= 0.05).mean() > 0.15


def test_neighbours_in_the_scan_stay_neighbours():
    scan = ScanOrder(rows=np.array([3, 0, 5, 1, 4, 2]), runs=np.array([1, 1, 1, 8, 8, 8]))
    halves = [[3, 0, 5], [1, 4, 2]]
    seen = set()
    for seed in range(20):
        partner = partners(scan, np.random.default_rng(seed))
        found = partner[scan.rows].reshape(2, 3).tolist()
        assert found in (halves, halves[::-1])
        seen.add(found[0][0])
    assert seen == {3, 1}


def prepared(image_ids, runs, sessions, trials) -> Mock:
    columns = {"image_ids": image_ids, "runs": runs, "sessions": sessions, "trials": trials}
    table = SimpleNamespace(**{name: np.array(one) for name, one in columns.items()})
    subject = Mock(spec=PreparedSubject, path="prepared")
    subject.table.side_effect = {"test": table}.__getitem__
    return subject


def test_the_order_of_a_prepared_subject_is_that_of_its_trials_and_runs_of_sessions_are_apart():
    scan = scan_order_of(prepared([70, 20, 50, 90], [2, 1, 1, 1], [1, 2, 1, 2], [3, 8, 1, 9]))
    np.testing.assert_array_equal(scan.rows, [1, 2, 0, 3])
    np.testing.assert_array_equal(scan.runs, [0, 1, 2, 2])


def test_images_that_were_shown_again_are_refused():
    shown = prepared([70, 20, 70, 70], [1, 1, 2, 3], [1, 1, 1, 1], [1, 2, 3, 4])
    with pytest.raises(ValueError, match="1 of 2 test images in prepared were shown up to 3 times"):
        scan_order_of(shown)


@pytest.fixture
def file_of(tmp_path):
    def write(**changes) -> list[str]:
        rng = np.random.default_rng(1)
        images = rng.normal(size=(24, 6)).astype(np.float32)
        arrays = {
            "brain": images + 0.5 * rng.normal(size=(24, 6)).astype(np.float32),
            "images": images,
            "image_ids": rng.permutation(24),
            "runs": np.repeat(np.arange(6), 4),
        }
        kept = {name: one for name, one in {**arrays, **changes}.items() if one is not None}
        np.savez(tmp_path / "one.npz", **kept)
        some = ["--embeddings", str(tmp_path / "one.npz"), "--out", str(tmp_path / "out")]
        return ["bench", "retrieval", *some, "--bootstrap", "200", "--permute", "99"]

    return write


def test_the_benchmark_exchanges_runs_where_it_is_asked_to(file_of, tmp_path):
    rows = {}
    for null in ("labels", "blocks"):
        main([*file_of(), "--null", null])
        content = read_json(tmp_path / "out" / "retrieval.json")
        assert content["settings"]["null"] == null
        rows[null] = {row["metric"]: row for row in content["rows"]}
        words = {"labels": "of permuted labels", "blocks": "of exchanged runs of the scanner"}
        assert words[null] in (tmp_path / "out" / "report.html").read_text()
    name = "image retrieval top-1 of 24"
    assert rows["labels"][name]["value"] == rows["blocks"][name]["value"]
    # One of six runs stays in its place on average, and all its images are found.
    assert rows["blocks"][name]["null_mean"] > 2 * rows["labels"][name]["null_mean"]
    assert rows["blocks"][name]["null_high"] > 0.3


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"runs": None}, "does not say in which run of the scanner"),
        ({"runs": np.arange(24) % 3}, "3 blocks stand in 24 pieces"),
        ({"runs": np.zeros(24, dtype=int)}, "24 trials of one block"),
    ],
)
def test_runs_that_cannot_be_exchanged_are_refused(changes, text, file_of, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*file_of(**changes), "--null", "blocks"])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_whose_test_images_were_repeated_is_refused(finished_run, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", "retrieval", str(finished_run), "--null", "blocks"])
    assert caught.value.code == 2
    assert "test images in" in capsys.readouterr().err
