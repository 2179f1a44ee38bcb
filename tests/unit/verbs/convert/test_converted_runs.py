"""Converted checkpoints draw when their user names CLIP and VAE: tiny, random, end to end."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import load_arrays, read_json, write_json
from mindeye.models.decoder import Decoder
from mindeye.models.published import to_mindeye1, to_mindeye2
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.targets.clip import OFFLINE_CLIP, load_clip
from mindeye.targets.vae import load_vae
from mindeye.verbs.benchmarks.random_generators import write_random_generator
from mindeye.verbs.benchmarks.random_sdxl import TINY_UNCLIP_UNET, write_random_unclip
from mindeye.verbs.convert import convert_checkpoint

NUM_VOXELS = 20
# What the tiny CLIP gives in the form that each system learns.
TOKENS_OF = {"mindeye1": (5, 16), "mindeye2": (4, 16)}
GENERATOR_OF = {"mindeye1": "versatile", "mindeye2": "unclip"}


@pytest.fixture
def converted(tmp_path, save_checkpoint, mindeye1_decoder, mindeye2_decoder):
    """(family) -> a run made of a checkpoint whose shapes fit the tiny subject and networks."""

    def make(family: str, low_level: bool = True) -> Path:
        one = {"mindeye1": mindeye1_decoder, "mindeye2": mindeye2_decoder}[family]
        low = replace(one.config.low_level, base_side=4) if low_level else None
        torch.manual_seed(3)
        decoder = Decoder(
            replace(one.config, low_level=low),
            num_voxels_of={1: NUM_VOXELS},
            token_shape=TOKENS_OF[family],
            latent_shape=(4, 8, 8),
        ).eval()
        state = to_mindeye1(decoder) if family == "mindeye1" else to_mindeye2(decoder)
        path, out = save_checkpoint(tmp_path / f"{family}.pth", state), tmp_path / family
        convert_checkpoint(family, path, subjects=[1], out=out)
        return out

    return make


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("weights")
    unet = {**TINY_UNCLIP_UNET, "cross_attention_dim": 16}
    return {
        "versatile": write_random_generator(
            "versatile", place / "versatile", token_shape=(5, 16), small=True
        ),
        "unclip": write_random_unclip(place / "unclip", unet=unet, num_tokens=4),
    }


@pytest.fixture
def networks_given(networks) -> list[str]:
    return ["--clip", str(networks.clip), "--vae", str(networks.vae)]


@pytest.fixture
def drawing(tiny_prepared, networks_given, weights, tmp_path):
    """(family, run) -> the command line that draws two images."""

    def line(family: str, run: Path) -> list[str]:
        name = GENERATOR_OF[family]
        return [
            *("reconstruct", str(run), "--data", str(tiny_prepared), *networks_given),
            *("--generator", name, "--generator-source", str(weights[name])),
            *("--out", str(tmp_path / "out"), "--images", "2", "--candidates", "2"),
            *("--steps", "2", "--prior-steps", "2", "--sampler", "ddim"),
        ]

    return line


def refused(line: list[str], capsys) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return told


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
    assert manifest["generator"].startswith(f"{GENERATOR_OF[family]}-random-")
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
    converted, drawing, tmp_path, capsys
):
    line = [*drawing("mindeye1", converted("mindeye1")), "--dry-run"]
    main(line)
    assert "2 candidates for each: 4 pictures to draw" in capsys.readouterr().out
    line[line.index("--vae") + 1] = str(tmp_path)
    assert "No VAE at" in refused(line, capsys)
    assert not (tmp_path / "out").exists()


def test_a_saved_scan_is_drawn_too(
    converted, tiny_prepared, networks_given, weights, tmp_path, capsys
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
        told = refused([*line, *more], capsys)
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
    converted, drawing, networks, tmp_path, capsys
):
    line = drawing("mindeye1", converted("mindeye1", low_level=False))
    assert "no low-level head, so there are no latents" in refused(line, capsys)
    place = line.index("--vae")
    main([*line[:place], *line[place + 2 :]])
    assert load_reconstruction(tmp_path / "out").blurry is None
    given = read_json(tmp_path / "out" / "manifest.json")["about"]["given"]
    assert given == {"clip": str(networks.clip), "vae": None}


def test_what_does_not_fit_is_refused_with_both_values(
    converted, drawing, networks, tmp_path, capsys
):
    run = converted("mindeye2")
    write_json(
        run / "provenance.json",
        {**read_json(run / "provenance.json"), "converted": {"family": "mindeye1"}},
    )
    told = refused(drawing("mindeye1", run), capsys)
    assert "decodes 4 x 16 tokens (projected)" in told
    shutil.rmtree(run)
    line = drawing("mindeye1", converted("mindeye1"))
    other = Path(shutil.copytree(networks.vae, tmp_path / "vae"))
    config = read_json(other / "config.json")
    write_json(other / "config.json", {**config, "sample_size": 64})
    line[line.index("--vae") + 1] = str(other)
    told = refused(line, capsys)
    assert "latents of 4 x 8 x 8, but those of" in told
    assert "are 4 x 16 x 16" in told
    assert "`sample_size` of 32" in told
    assert not (tmp_path / "out").exists()


def test_a_clip_of_other_tokens_is_refused_with_the_one_of_the_training(
    converted, drawing, tmp_path, weights, capsys
):
    run = converted("mindeye1")
    line = drawing("mindeye1", run)
    line[line.index("--clip") + 1] = str(OFFLINE_CLIP)
    told = refused(line, capsys)
    assert "decodes 5 x 16 tokens (projected), but those of" in told
    assert "the CLIP of its training: OpenAI CLIP ViT-L/14" in told


@pytest.mark.parametrize(
    ("leave_out", "told"),
    [
        ("--clip", "Give it with --clip FOLDER"),
        ("--vae", "also gives latents of 4 x 8 x 8"),
        ("--data", "has no prepared scans of its own. Give those"),
    ],
)
def test_what_is_missing_is_named(leave_out, told, converted, drawing, capsys):
    line = drawing("mindeye1", converted("mindeye1"))
    place = line.index(leave_out)
    assert told in refused([*line[:place], *line[place + 2 :]], capsys)


def test_scans_that_do_not_fit_or_were_trained_on_are_refused(
    converted, drawing, tiny_prepared, tmp_path, capsys
):
    line = drawing("mindeye1", converted("mindeye1"))
    assert "those of the validation among them" in refused([*line, "--split", "validation"], capsys)
    told = refused([*line, "--subject", "2"], capsys)
    assert "is of subject 1, not 2. Give that subject's folder" in told
    other = Path(shutil.copytree(tiny_prepared, tmp_path / "other"))
    manifest = read_json(other / "manifest.json")
    line[line.index("--data") + 1] = str(other)
    for change, told in (
        ({"subject": 2}, "is of subject 2, but"),
        ({"num_voxels": 19}, "has 19 voxels, but"),
        ({"zscore": "none"}, "holds percent signal change, but published decoders"),
        ({"protocol": "nsd-session-heldout"}, "saw all but NSD's shared ones"),
    ):
        write_json(other / "manifest.json", {**manifest, **change})
        assert told in refused(line, capsys)
    assert not (tmp_path / "out").exists()
