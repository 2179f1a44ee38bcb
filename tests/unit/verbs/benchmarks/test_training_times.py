"""The benchmark's plain step and ours come to the same numbers, and are timed as it says."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mindeye.files import read_json
from mindeye.verbs.benchmarks import training_memory, training_times, training_variants
from mindeye.verbs.benchmarks.training_floors import floors
from mindeye.verbs.benchmarks.training_memory import needed_bytes, require_memory
from mindeye.verbs.benchmarks.training_times import (
    Setting,
    costliest,
    largest_difference,
    measure,
    table,
    write_cache,
)
from mindeye.verbs.benchmarks.training_variants import SIZES, VARIANTS

TINY = replace(
    SIZES["small"],
    voxels=30,
    width=24,
    num_blocks=1,
    token_width=64,
    contrastive_width=16,
    prior_depth=1,
    clip_layers=1,
    clip_width=64,
    side=28,
    code_width=8,
)
SETTING = Setting(size="tiny", batch=3)


@pytest.fixture
def work(tmp_path, monkeypatch):
    sizes = {**SIZES, "tiny": TINY}
    for module in (training_times, training_variants):
        monkeypatch.setattr(module, "SIZES", sizes)
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        write_cache(SETTING, tmp_path)
        yield tmp_path
    torch.set_num_threads(threads)


def test_variants_with_the_same_numbers_have_them_for_steps_on_end_and_others_differ(work):
    found = {name: [measure(SETTING, name, work)] for name in VARIANTS if name != "int8-moments"}
    assert largest_difference(found) < training_times.TOLERANCE
    for name, (one,) in found.items():
        assert one["cpu_s"] > 0
        assert one["peak_mb"] > 0
        first, last = one["losses"][0], one["losses"][-1]
        same = {**found, name: [one]}
        assert first != last
        assert VARIANTS[name].same_numbers or one["losses"] != same["plain"][0]["losses"], name
    wrong = {**found, "freed": [{**found["freed"][0], "losses": found["compact"][0]["losses"]}]}
    assert largest_difference(wrong) > training_times.TOLERANCE


def test_a_profile_lists_the_costliest_operators(work):
    lines = costliest(SETTING, "plain", work)
    assert len(lines) == 5
    shares = [float(line.split()[2].rstrip("%")) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert any("aten::" in line for line in lines)


def entry(cpu_s: float, peak_mb: float, prior: float = 2.0) -> dict:
    losses = [{"contrastive": 1.0, "prior": prior}]
    return {"cpu_s": cpu_s, "wall_s": cpu_s, "peak_mb": peak_mb, "losses": losses}


def test_the_table_takes_medians_and_names_a_bar_that_is_missed():
    found = {
        "plain": [entry(3.0, 1000), entry(9.0, 1000), entry(3.2, 1000)],
        "ours": [entry(2.5, 700), entry(2.0, 700), entry(2.2, 700)],
        "compact-bfloat16": [entry(0.5, 500)] * 3,
    }
    lines = list(table(found))
    assert "1.45" in lines[2]
    assert lines[2].endswith("(bar 1.5) - BAR MISSED")
    assert "6.40" in lines[3]
    assert "MISSED" not in lines[3]
    assert lines[4] == "Least memory: 0.50 of the plain step's (bar 0.6)."


PROGRAM = """
import json, sys
from pathlib import Path
work = Path(sys.argv[sys.argv.index("--work") + 1])
if "--cache" in sys.argv:
    sys.exit()
name = sys.argv[sys.argv.index("--variant") + 1]
number = len(list(work.glob(f"{name}.*")))
(work / f"{name}.{number}").touch()
if number == 2:
    sys.exit("ValueError: no more memory")
prior = 2.0 + (number == 1 and name == "ours") * float((work / "off").read_text())
loss = {"contrastive": 1.0, "prior": prior}
print(json.dumps({"cpu_s": 1.0, "wall_s": 1.0, "peak_mb": 1.0, "losses": [loss]}))
"""


@pytest.mark.parametrize(
    ("off", "message"),
    [
        ("0.0", "--variant plain ended with an error: .*no more memory"),
        ("0.01", "differ by 0.005 of their size"),
    ],
)
def test_results_of_whole_rounds_stay_whatever_ends_the_next(tmp_path, off, message):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "off").write_text(off)
    lines = training_times.training_times(
        Setting(size="small"), ["plain", "ours"], 3, tmp_path, program
    )
    with pytest.raises(ValueError, match=message):
        list(lines)
    saved = read_json(tmp_path / "results.json")
    assert saved["rounds"] == 2
    assert saved["data"] == "made up"
    assert len(saved["found"]["ours"]) == 2


def test_a_step_that_would_not_fit_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(training_memory, "available_bytes", lambda: 8e9)
    require_memory(SIZES["small"], VARIANTS["plain"], 4)
    with pytest.raises(ValueError, match=r"takes about 2\d\.\d GB, but 8\.0 GB are available"):
        require_memory(SIZES["full"], VARIANTS["plain"], 4)
    needed = {name: needed_bytes(SIZES["full"], one, 4) for name, one in VARIANTS.items()}
    assert needed["least-memory"] < needed["freed"] < needed["ours"] < needed["plain"]
    # 1,003.6 million parameters of 16 bytes.
    assert needed["ours"] > 16.05e9


def test_floors_are_those_that_were_reckoned_by_hand():
    dense, compact, tuning = floors()
    assert dense.num_parameters == 1_003_635_088 - 16
    # Prior 5.02 and 0.47, projector 0.36, token head 0.155, backbone 0.02.
    assert dense.flop / 1e12 == pytest.approx(6.03, abs=0.02)
    assert dense.compute_s == pytest.approx(7.6e-3, abs=5e-5)
    assert dense.seconds(42) == pytest.approx(7.6e-3 + 9.8e-3, abs=1e-4)
    assert compact.num_parameters < dense.num_parameters / 3
    # What no output depends on is not updated: 134,283,264 weights of idle blocks.
    assert tuning.num_parameters == pytest.approx(2_227_294_844 - 134_283_264, abs=100)


def test_the_program_runs_a_round_and_refuses_bad_input(work, capsys, monkeypatch):
    root = Path(__file__).parents[4]
    monkeypatch.syspath_prepend(root / "eval" / "benchmarks")
    import training

    monkeypatch.setattr(sys, "argv", ["training.py", "--size", "small"])
    with pytest.raises(SystemExit) as ended:
        training.main()
    assert ended.value.code == 2
    monkeypatch.setattr(sys, "argv", ["training.py", "--work", str(work), "--variants", "plain"])
    with pytest.raises(SystemExit) as ended:
        training.main()
    assert ended.value.code == 2
    assert "File exists" in capsys.readouterr().err
