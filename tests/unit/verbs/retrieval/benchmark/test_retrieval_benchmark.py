"""The benchmark of files as a whole: what is written, its seed, and what it refuses."""

import csv

import numpy as np
import pytest

from mindeye.files import read_json
from mindeye.report.banner import SIMULATED
from mindeye.verbs.retrieval.retrieval_benchmark import save_benchmark
from mindeye.verbs.retrieval.retrieval_sources import SourceSettings

IMAGES, FEATURES = 40, 12


def test_all_files_say_the_same_and_that_it_is_simulated(file_of, measured, tmp_path):
    found = measured(file_of("ours"), file_of("ridge", noise=1.5), pools=(10, "all"))
    save_benchmark(found, tmp_path / "out")
    content = read_json(tmp_path / "out" / "retrieval.json")
    assert content["simulated"] == {"simulated": True, "said by": "ours.npz"}
    banner, *lines = (tmp_path / "out" / "retrieval.tsv").read_text().splitlines()
    assert banner == f"# {SIMULATED}"
    table = list(csv.DictReader(lines, delimiter="\t"))
    assert len(table) == len(content["rows"]) == len(found.ordered)
    for line, row, one in zip(table, content["rows"], found.ordered, strict=True):
        assert line["metric"] == row["metric"] == one.row.metric
        assert float(line["value"]) == row["value"] == one.row.value
        assert (line["p"] == "") == (row["p"] is None) == (one.p is None)
    ranks = list(
        csv.DictReader((tmp_path / "out" / "per_image.tsv").read_text().splitlines()[1:],
                       delimiter="\t")
    )  # fmt: skip
    assert len(ranks) == 2 * IMAGES
    first = [int(one["image retrieval rank"]) for one in ranks[:IMAGES]]
    np.testing.assert_array_equal(first, found.scored[0].rivals["image retrieval"] + 1)
    page = (tmp_path / "out" / "report.html").read_text()
    assert SIMULATED in page
    assert page.count("<picture>") == 6
    for name in ("pool_curve", "hubs", "near_duplicates"):
        for direction in ("image", "brain"):
            png = (tmp_path / "out" / f"{name}_{direction}.png").read_bytes()
            assert png.startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_numbers_and_a_system_does_not_depend_on_its_company(
    file_of, measured, values_of
):
    ours, ridge = file_of("ours"), file_of("ridge", noise=1.5)
    alone, again, together = (
        measured(*files, pools=(10, "all")) for files in ((ours,), (ours,), (ours, ridge))
    )
    assert alone.rows == again.rows
    kept = [one for one in together.rows if one.system == "ours"]
    assert [one.row for one in kept] == [one.row for one in alone.rows]
    other = measured(ours, pools=(10, "all"), seed=1)
    first, second = (values_of(one)["image retrieval top-1 of 10"] for one in (other, alone))
    assert first.value == second.value
    assert first.low != second.low


def test_what_cannot_be_compared_is_refused(file_of, measured):
    with pytest.raises(ValueError, match="nothing to measure"):
        measured()
    with pytest.raises(ValueError, match="second with subject 1 under the name `ours`"):
        measured(f"ours={file_of('one')}", f"ours={file_of('two')}", pools=("all",))
    with pytest.raises(ValueError, match="embeddings of no known subject"):
        measured(f"a={file_of('one', None)}", f"a={file_of('two', None)}", pools=("all",))
    others = np.arange(IMAGES) + 500
    with pytest.raises(ValueError, match="80 are only in one of both"):
        measured(file_of("one"), file_of("two", image_ids=others), pools=("all",))
    for quirk, text in (
        ("averaged_outputs", "`averaged_outputs` changes nothing"),
        ("contiguous_pools", "Only drawn pools can be contiguous"),
    ):
        opening = SourceSettings(quirk_settings=(f"{quirk}=on",))
        with pytest.raises(ValueError, match=text):
            measured(file_of("one"), opening=opening)
    broken = np.full((IMAGES, FEATURES), np.nan, dtype=np.float32)
    with pytest.raises(FloatingPointError, match="40 of 40 brain embeddings"):
        measured(file_of("broken", brain=broken), pools=("all",))
