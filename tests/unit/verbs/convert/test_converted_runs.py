"""Converted checkpoints draw when their user names CLIP and VAE: tiny, random, end to end."""

import shutil

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import load_arrays, read_json
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae


@pytest.mark.parametrize("family", ["mindeye1", "mindeye2"])
def test_a_converted_run_is_drawn_with_the_published_generator_and_scored(
    family, converted, drawing, networks, tiny_prepared, tmp_path
):
    run = converted(family)
    main(drawing(family, run))
    manifest = read_json(tmp_path / "out" / "manifest.json")
    # The CLIP sees as that of the published system did, which its identity tells.
    mark = "+washed-out+aliased+patches" if family == "mindeye2" else "+aliased"
    clip, vae = load_clip(networks.clip).identity, load_vae(networks.vae).identity
    assert manifest["about"]["networks"] == {"clip": clip + mark, "vae": vae}
    given = {"clip": str(networks.clip), "vae": str(networks.vae)}
    assert manifest["about"]["given"] == given
    generator = {"mindeye1": "versatile", "mindeye2": "unclip"}[family]
    assert manifest["generator"].startswith(f"{generator}-random-")
    side = {"mindeye1": 16, "mindeye2": 64}[family]
    assert load_reconstruction(tmp_path / "out").pictures.shape == (2, side, side, 3)
    assert load_reconstruction(tmp_path / "out").blurry is not None
    source = drawing(family, run)
    where = source[source.index("--generator-source") :][:2]
    main(["evaluate", str(tmp_path / "out"), *where])
    rows = read_json(tmp_path / "out" / "evaluation.json")["rows"]
    assert {"mindeye", "blurry only"} <= {row["system"] for row in rows}


def test_networks_may_move_between_two_runs_of_a_command_and_are_found_where_they_are_now(
    converted, drawing, networks, tmp_path
):
    line = drawing("mindeye1", converted("mindeye1"))
    main(line)
    drawn = (tmp_path / "out" / "reconstructions.safetensors").stat().st_mtime_ns
    moved = shutil.copytree(networks.clip, tmp_path / "moved" / networks.clip.name)
    line[line.index("--clip") + 1] = str(moved)
    main(line)
    given = read_json(tmp_path / "out" / "manifest.json")["about"]["given"]
    assert given == {"clip": str(moved), "vae": str(networks.vae)}
    assert (tmp_path / "out" / "reconstructions.safetensors").stat().st_mtime_ns == drawn


def test_drawing_needs_no_targets_of_all_pictures(
    converted, drawing, tiny_prepared, tmp_path, monkeypatch
):
    """A large CLIP would take hours for them on a CPU."""
    monkeypatch.setattr("mindeye.reconstruction.opening.target_table", None)
    main(drawing("mindeye1", converted("mindeye1")))
    assert (tmp_path / "out" / "pictures").is_dir()


def test_a_dry_run_reads_the_given_networks_and_writes_nothing(
    converted, drawing, tmp_path, refused, capsys
):
    line = [*drawing("mindeye1", converted("mindeye1")), "--dry-run"]
    main(line)
    assert "2 candidates for each: 4 pictures to draw" in capsys.readouterr().out
    line[line.index("--vae") + 1] = str(tmp_path)
    assert "No VAE at" in refused(line)
    assert not (tmp_path / "out").exists()


def test_a_saved_scan_is_drawn_too(
    converted, tiny_prepared, networks_given, weights, tmp_path, refused, capsys
):
    betas = PreparedSubject(tiny_prepared).table("test").betas.astype(np.float32)
    np.save(tmp_path / "scan.npy", betas[:4])
    line = [
        *("decode", str(tmp_path / "scan.npy"), "--run", str(converted("mindeye1"))),
        *("--units", "z", "--out", str(tmp_path / "out"), "--prior-steps", "2"),
        *("--sampler", "ddim", "--force", "normalisation"),
    ]
    pictures = ["--steps", "2", "--candidates", "2"]
    source = ["--generator", "versatile", "--generator-source", str(weights["versatile"])]
    for more in (pictures, source, ["--generator-dtype", "bfloat16"], ["--vae", "there"]):
        told = refused([*line, *more])
        assert "so nothing is drawn. Give --clip" in told or "Give it with --clip" in told
    assert not (tmp_path / "out").exists()
    main([*line, *pictures, *source, *networks_given])
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 4
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["about"]["given"]["vae"] == networks_given[3]
    assert manifest["generator"].startswith("versatile-random-")
    main([*line[:-2], "--force", "normalisation", "--out", str(tmp_path / "tokens")])
    assert "with --clip and --vae it draws" in capsys.readouterr().out
    assert "latents" in load_arrays(tmp_path / "tokens" / "tokens.safetensors")


def test_a_checkpoint_without_low_level_head_needs_no_vae(
    converted, drawing, networks, tmp_path, refused
):
    line = drawing("mindeye1", converted("mindeye1", low_level=False))
    assert "no low-level head, so there are no latents" in refused(line)
    place = line.index("--vae")
    main([*line[:place], *line[place + 2 :]])
    assert load_reconstruction(tmp_path / "out").blurry is None
    given = read_json(tmp_path / "out" / "manifest.json")["about"]["given"]
    assert given == {"clip": str(networks.clip), "vae": None}
