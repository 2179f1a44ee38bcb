"""The benchmark of engines: what it asks, finds and counts."""

from pathlib import Path

import numpy as np
import pytest

from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.verbs.benchmarks import gallery_engines
from mindeye.verbs.benchmarks.gallery_engines import engine_beside_exact, queries_of

PROGRAM = Path("eval/benchmarks/gallery_engines.py")
TEXTS = ("a dog on a beach", "a red bus")


class HalfBlind:
    """Finds every other of the true neighbours."""

    about = "half blind"

    def __init__(self, gallery):
        self.exact = ExactIndex(gallery)

    def search(self, queries, k):
        found = self.exact.search(queries, k)
        rows = found.rows.copy()
        rows[:, ::2] = -1
        return found._replace(rows=rows)


def test_scans_and_texts_are_embedded_as_the_search_embeds_them(finished_run, planted_gallery):
    gallery = open_gallery(planted_gallery)
    queries = queries_of(gallery, finished_run, TEXTS)
    assert {kind: one.shape for kind, one in queries.items()} == {
        "decoded scans": (8, gallery.width),
        "texts": (2, gallery.width),
    }
    for one in queries.values():
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    assert queries_of(gallery, finished_run, ()).keys() == {"decoded scans"}


def test_each_kind_of_query_has_its_share(finished_run, planted_gallery, monkeypatch):
    asked = (PROGRAM, planted_gallery, EngineChoice(), finished_run, TEXTS)
    told = "\n".join(engine_beside_exact(*asked))
    assert "158 vectors of" in told
    assert "SIMULATED" in told
    assert "decoded scans: of 8, first 16 as exact search's: 1.000" in told
    assert "texts: of 2, first 16 as exact search's: 1.000" in told
    assert "a batch of 10: " in told
    monkeypatch.setattr(gallery_engines, "open_engine", lambda gallery, choice: HalfBlind(gallery))
    told = "\n".join(engine_beside_exact(*asked))
    assert "half blind" in told
    assert told.count("exact search's: 0.500") == 2


def test_milvus_is_filled_by_the_program_and_searched(
    finished_run, planted_gallery, tmp_path, monkeypatch
):
    reason = "needs the extra `milvus`: pip install 'mindeye[milvus]'"
    pytest.importorskip("milvus_lite", reason=reason)
    monkeypatch.chdir(Path(__file__).parents[4])
    choice = EngineChoice(engine="milvus", uri=str(tmp_path / "lite.db"))
    told = "\n".join(engine_beside_exact(PROGRAM, planted_gallery, choice, finished_run, ()))
    assert "import and index: 158 vectors in" in told
    assert "AUTOINDEX of 158 vectors in Milvus Lite" in told
    assert "decoded scans: of 8, first 16 as exact search's: 1.000" in told
