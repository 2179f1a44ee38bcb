"""The comparison on a new subject: what is kept, what is paired, what real sizes cost."""

from dataclasses import replace

import numpy as np
import pytest

from mindeye.config import dump_yaml
from mindeye.models.backbone import BackboneConfig
from mindeye.models.saved import load_decoder
from mindeye.models.token_head import LowRankHeadConfig
from mindeye.verbs.benchmarks import new_subject, subjects_real_size
from mindeye.verbs.benchmarks.made_up_subject import write_clip, write_subject
from mindeye.verbs.benchmarks.new_subject import NewSubjectConfig, System, scores_of
from mindeye.verbs.benchmarks.new_subject_tables import markdown, rows_of
from mindeye.verbs.progress import watch

IMAGE, PAIRS = "image retrieval top-1 of 100", "two-way identification of embeddings"


def scores_like(*shares: float) -> dict:
    """(system, seed) -> scores of 40 images each, of which so many are found."""
    return {
        (system, seed): {
            IMAGE: (np.arange(40) < 40 * share).astype(float),
            PAIRS: np.full(40, share) + np.linspace(-0.01, 0.01, 40),
        }
        for system, share in zip(("ours", "alone, 1", "alone, 2"), shares, strict=True)
        for seed in (0, 1)
    }


def test_rows_pair_every_pretrained_system_with_every_other_over_all_families():
    rows = rows_of(scores_like(0.75, 0.5, 0.25), ["ours"])
    by_key = {(row.metric, row.system): row for row in rows}
    differences = {row.system for row in rows if "minus" in row.system}
    assert differences == {"ours minus alone, 1", "ours minus alone, 2"}
    found = by_key[IMAGE, "ours minus alone, 2"]
    assert (found.value, found.n) == (0.5, 80)
    assert found.low > 0.3
    assert by_key[IMAGE, "ours, seed 1"].n == 40
    assert (by_key[IMAGE, "ours"].chance, by_key[PAIRS, "ours"].chance) == (0.01, 0.5)
    table = markdown(rows, ["ours", "alone, 1", "alone, 2"], (0, 1)).splitlines()
    assert table[0].startswith("| ")
    assert IMAGE in table[0]
    assert "SIMULATED" in table[0]
    assert table[2].startswith("| ours | 0.750 [")
    assert "(0.750, 0.750)" in table[2]
    names = [line.split(" | ")[0] for line in table[5:]]
    assert names == ["| ours minus alone, 1", "| ours minus alone, 2"]


def test_scores_are_kept_and_refused_under_other_settings(tiny_experiment, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(new_subject, "trained", lambda *rest: made.append(rest) or "run")
    monkeypatch.setattr(new_subject, "scores_of_run", lambda *rest: {IMAGE: np.array([0.0, 1.0])})
    system, config = System(name="alone, 1", num_epochs=1), NewSubjectConfig()
    arguments = (tiny_experiment, tmp_path, config, 0, watch)
    for _ in range(2):
        assert scores_of(system, *arguments)[IMAGE].tolist() == [0.0, 1.0]
    assert len(made) == 1
    longer = replace(system, num_epochs=2)
    with pytest.raises(ValueError, match=r"made with other settings \(system.num_epochs: 2 here"):
        scores_of(longer, *arguments)


def test_both_trainings_of_the_real_size_mode_run_and_know_their_subjects(
    tiny_experiment, tmp_path
):
    voxels_of = {1: 12, 2: 20, 3: 18, 4: 16, 5: 14}
    for subject, voxels in voxels_of.items():
        write_subject(tmp_path / f"subj{subject:02d}", subject, voxels, num_images=9)
    write_clip(tmp_path / "clip", (5, 16))
    config = replace(
        tiny_experiment,
        decoder=replace(tiny_experiment.decoder, token_head=LowRankHeadConfig(rank=4)),
        schedule=replace(tiny_experiment.schedule, subjects_together=True),
    )
    dump_yaml(config, tmp_path / "config.yaml")
    told = [
        subjects_real_size.one_stage(tmp_path, tmp_path / "config.yaml", stage)
        for stage in subjects_real_size.STAGES
    ]
    assert [one["subjects"] for one in told] == [[2, 3, 4, 5], [1]]
    assert [one["steps"] for one in told] == [3, 3]
    assert all(one["peak_gb"] > 0.1 for one in told)
    ridge = load_decoder(tmp_path / "pre-train").ridge.layers
    assert {name: layer.in_features for name, layer in ridge.items()} == {
        str(one): voxels for one, voxels in voxels_of.items() if one != 1
    }
    assert (tmp_path / "fine-tune" / "ridge_start.safetensors").exists()


def test_the_memory_table_counts_what_a_decoder_holds(tiny_experiment):
    dense = replace(tiny_experiment.decoder, backbone=BackboneConfig(width=1024))
    lines = subjects_real_size.memory_table(replace(tiny_experiment, decoder=dense))
    assert len(lines) == 2 + 3 * 2
    count = subjects_real_size.num_parameters(dense, (2, 3, 4, 5))
    assert lines[2].startswith(
        f"| dense | pre-train | {count / 1e6:.1f} M | {count * 16 / 1e9:.1f} GB |"
    )
    voxels = (14278 + 15226 + 13153 + 13039) * 1024 + 4 * 1024
    assert count - subjects_real_size.num_parameters(dense, ()) == voxels
