"""Verbs that draw, with a generator of the published classes: random, small, in the run's shape."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs import reconstruct as verb
from mindeye.verbs.benchmarks.random_generators import write_random_generator
from mindeye.verbs.decoding.decode import decode_scan, plan_decode
from mindeye.verbs.decoding.scan_source import ScanSource
from mindeye.verbs.drawing.plan import plan_reconstruction
from mindeye.verbs.reconstruct import reconstruct_run

CONFIG = ReconstructionConfig(generator="versatile", candidates=2, steps=2, prior_steps=2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Takes the tiny run's 5 x 16 tokens and draws 16 x 16 pixels."""
    folder = tmp_path_factory.mktemp("weights") / "versatile"
    return write_random_generator("versatile", folder, token_shape=(5, 16), small=True)


@pytest.fixture
def line(finished_run, tmp_path):
    """`mindeye reconstruct` of two images."""
    return [
        *("reconstruct", str(finished_run), "--out", str(tmp_path / "out"), "--images", "2"),
        *("--candidates", "2", "--steps", "2", "--prior-steps", "2"),
    ]


@pytest.fixture
def source(tiny_prepared, tmp_path) -> ScanSource:
    betas = PreparedSubject(tiny_prepared).table("test").betas.astype(np.float32) + 1
    np.save(tmp_path / "scan.npy", betas[:6])
    return ScanSource(paths=(tmp_path / "scan.npy",), units="psc")


def refused(line: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_run_is_drawn_and_scored_with_a_generator_from_a_folder(line, weights, tmp_path, capsys):
    where = ["--generator-source", str(weights), "--generator-dtype", "bfloat16"]
    main([*line, "--generator", "versatile", "--slicing", "slices", *where])
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["generator"].startswith("versatile-random-")
    assert manifest["generator"].endswith("+bfloat16")
    assert manifest["settings"]["generator"] == "versatile"
    assert load_reconstruction(tmp_path / "out").pictures.shape == (2, 16, 16, 3)
    main(["evaluate", str(tmp_path / "out"), *where])
    rows = read_json(tmp_path / "out" / "evaluation.json")["rows"]
    # The run's VAE gives 32 x 32 pixels, the generator 16 x 16: both are scored in its size.
    assert {"mindeye", "blurry only"} <= {row["system"] for row in rows}
    capsys.readouterr()
    told = refused(["evaluate", str(tmp_path / "out"), *where[:2]], capsys)
    assert "+bfloat16, but here is versatile-random-" in told


def test_a_generator_of_other_tokens_is_refused_before_anything_is_decoded_or_written(
    finished_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(verb, "decode", None)
    message = r"decodes 5 x 16 tokens \(projected\) of tiny-clip-\w+; versatile takes 257 x 768"
    with pytest.raises(ValueError, match=message):
        reconstruct_run(finished_run, tmp_path / "out", CONFIG)
    with pytest.raises(ValueError, match=message):
        plan_reconstruction(finished_run, CONFIG)
    assert not (tmp_path / "out").exists()


def test_the_offline_generator_of_another_clip_is_refused_before_anything_is_decoded(
    finished_run, tmp_path, monkeypatch
):
    monkeypatch.undo()
    monkeypatch.setattr(verb, "decode", None)
    with pytest.raises(
        ValueError, match=r"These tokens are 5 x 16, but scenes-generator-\w+ takes"
    ):
        reconstruct_run(finished_run, tmp_path / "out", ReconstructionConfig())
    assert not (tmp_path / "out").exists()


def test_tokens_of_the_right_shape_and_another_form_are_refused(
    finished_run, weights, tmp_path, change_json
):
    change_json(finished_run / "provenance.json", lambda one: one.update(clip_tokens="patches"))
    with pytest.raises(ValueError, match=r"5 x 16 tokens \(patches\) .* takes 5 x 16 \(projected"):
        plan_reconstruction(finished_run, CONFIG, generator_source=weights)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_the_command_line_refuses_it_with_one_sentence_and_exit_code_2(line, tmp_path, capsys, dry):
    told = refused([*line, "--generator", "image-variations", *dry], capsys)
    assert told.startswith("mindeye: This run decodes 5 x 16 tokens (projected) of tiny-clip-")
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_absent_weights_are_named_with_the_command_that_fetches_them(
    line, tmp_path, capsys, monkeypatch, finished_run, weights
):
    folder = shutil.copytree(weights, tmp_path / "weights")
    shutil.rmtree(folder / "vae")
    chosen = ["--generator", "versatile", "--generator-source"]
    assert "vae: config.json is missing" in refused([*line, *chosen, str(folder)], capsys)
    told = refused([*line, *chosen, str(tmp_path / "absent")], capsys)
    # Which tokens it takes is not known without it: those of the published weights.
    assert "versatile takes 257 x 768" in told
    assert not (tmp_path / "out").exists()


def test_the_plan_takes_the_size_of_the_generators_pictures_and_tells_what_it_needs(
    finished_run, weights
):
    plan = plan_reconstruction(finished_run, CONFIG, generator_source=weights)
    assert plan.side == 512
    assert "versatile: shi-labs/versatile-diffusion, 3.8 GB, licence: MIT" in plan.lines
    assert any(line.endswith("a card of 8 GB") for line in plan.lines)
    assert len(plan_reconstruction(finished_run, ReconstructionConfig()).lines) == 3


def test_a_saved_scan_is_decoded_with_a_generator_from_a_folder(
    finished_run, source, weights, tmp_path
):
    options = {"generator_source": weights}
    assert plan_decode(finished_run, source, CONFIG, **options).num_candidates == 2
    summary = decode_scan(finished_run, source, tmp_path / "out", CONFIG, **options)
    assert summary.num_pictures == 6
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["generator"].startswith("versatile-random-")
    with pytest.raises(ValueError, match="versatile takes 257 x 768"):
        decode_scan(finished_run, source, tmp_path / "again", CONFIG)
    assert not (tmp_path / "again").exists()


def test_a_converted_run_refuses_a_generator_that_could_not_draw_for_it(
    finished_run, source, weights, tmp_path, change_json
):
    converted = {"networks": None, "data": [], "converted": {"family": "mindeye1"}}
    change_json(finished_run / "provenance.json", lambda one: one.update(converted))
    with pytest.raises(
        ValueError, match=r"nothing is drawn. Give --clip .* or leave --generator out"
    ):
        decode_scan(finished_run, source, tmp_path / "out", CONFIG, generator_source=weights)


def test_evaluating_pictures_of_any_origin_refuses_what_it_would_ignore(tmp_path, capsys):
    line = ["evaluate", "a.pt", "--images", "b.hdf5", "--out", str(tmp_path / "scores")]
    assert "With --images nothing is drawn" in refused([*line, "--offload", "layers"], capsys)


@pytest.mark.parametrize("option", ["--clip", "--vae"])
def test_a_run_that_names_its_own_networks_takes_no_others(line, source, option, tmp_path, capsys):
    told = refused([*line, option, str(tmp_path)], capsys)
    assert "names its own networks: tiny-clip-" in told
    assert f"Leave {option} out" in told
    run = line[1]
    decode = ["decode", str(source.paths[0]), "--run", run, "--units", "psc", "--out"]
    assert f"Leave {option} out" in refused([*decode, str(tmp_path / "d"), option, "x"], capsys)
    assert not (tmp_path / "out").exists()
