"""A tiny random unCLIP under the names of Stability's `sgm`, converted and compared."""

import functools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel

from mindeye.cli import main
from mindeye.files import sha256_of
from mindeye.verbs import convert_generator
from mindeye.verbs.benchmarks.random_sdxl import (
    TINY_UNCLIP_UNET,
    TINY_VAE,
    random_unet,
    random_vae,
)
from mindeye.verbs.convert_generator import convert_unclip

LAYERS = 3  # two of each block and what changes the size
OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def renamed(part: str, names: Mapping[str, str]) -> str:
    head = next(one for one in names if part.startswith(f"{one}."))
    return names[head] + part.removeprefix(head)


def unet_name(name: str) -> str:
    """Diffusers' name of a weight -> that of sgm's UNetModel."""
    found = re.match(r"(down|up|mid)_block(?:s\.(\d))?\.(\w+)\.(\d)\.(.*)", name)
    if not found:
        return renamed(name, OUTSIDE)
    side, block, kind, layer, rest = found.groups()
    block, layer = int(block or 0), int(layer)
    rest = renamed(rest, RESNET) if kind == "resnets" else rest
    if side == "mid":
        return f"middle_block.{2 * layer if kind == 'resnets' else 1}.{rest}"
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{LAYERS * (block + 1)}.0.{rest.replace('conv', 'op')}"
        return f"input_blocks.{1 + LAYERS * block + layer}.{int(kind == 'attentions')}.{rest}"
    if kind == "upsamplers":
        return f"output_blocks.{LAYERS * block + 2}.2.{rest}"
    return f"output_blocks.{LAYERS * block + layer}.{int(kind == 'attentions')}.{rest}"


def vae_name(name: str) -> str:
    """Diffusers' name of a weight -> that of sgm's AutoencoderKL."""
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda one: f"mid.block_{int(one[1]) + 1}", name)
    if ".mid_block.attentions.0." in name:
        side, rest = name.split(".mid_block.attentions.0.")
        return f"{side}.mid.attn_1.{renamed(rest, ATTENTION)}"
    name = re.sub(r"up_blocks\.(\d)", lambda one: f"up.{3 - int(one[1])}", name)
    name = name.replace("down_blocks.", "down.").replace("resnets", "block")
    return name.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")


def sgm_state() -> dict[str, torch.Tensor]:
    unet = random_unet(TINY_UNCLIP_UNET).state_dict()
    state = {f"model.diffusion_model.{unet_name(name)}": one for name, one in unet.items()}
    for name, one in random_vae(TINY_VAE).state_dict().items():
        is_matrix = ".attentions." in name and one.ndim == 2
        state[f"first_stage_model.{vae_name(name)}"] = one[..., None, None] if is_matrix else one
    state["conditioner.embedders.0.model.visual.proj"] = torch.ones(3, 2)
    state["denoiser.sigmas"] = torch.ones(1000)
    return state


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"state_dict": state, "global_step": 110000, "epoch": 0}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("sgm") / "unclip.ckpt", sgm_state())


@pytest.fixture
def convert(monkeypatch):
    """Converts a tiny checkpoint."""

    def converted(file: Path, out: Path, **options) -> Path:
        return convert_unclip(file, out, unet=TINY_UNCLIP_UNET, vae=TINY_VAE, **options)

    return converted


@torch.inference_mode()
def test_the_converted_networks_give_the_same_numbers(checkpoint, tmp_path, convert):
    out = convert(checkpoint, tmp_path / "unclip")
    unet, missing = UNet2DConditionModel.from_pretrained(out / "unet", output_loading_info=True)
    assert not any(missing.values())
    draw = torch.Generator().manual_seed(1)
    latents = torch.randn(2, 4, 8, 8, generator=draw)
    tokens = torch.randn(2, 5, 12, generator=draw)
    conditions = {
        "text_embeds": torch.zeros(2, 0),
        "time_ids": torch.tensor([[64.0, 64.0, 0.0, 0.0]] * 2),
    }
    outputs = [
        one(latents, 500, encoder_hidden_states=tokens, added_cond_kwargs=conditions).sample
        for one in (unet.eval(), random_unet(TINY_UNCLIP_UNET))
    ]
    assert (outputs[0] - outputs[1]).abs().max() == 0.0
    assert outputs[0].std() > 0.01
    vae = AutoencoderKL.from_pretrained(out / "vae").eval()
    other = random_vae(TINY_VAE)
    picture = torch.rand(1, 3, 64, 64, generator=draw)
    assert (
        (vae.encode(picture).latent_dist.mean - other.encode(picture).latent_dist.mean).eq(0).all()
    )
    assert (vae.decode(latents).sample - other.decode(latents).sample).abs().max() == 0.0


def test_the_folder_tells_its_source_its_schedule_and_who_may_read_it(
    checkpoint, tmp_path, convert
):
    out = convert(checkpoint, tmp_path / "unclip")
    assert json.loads((out / "unclip.json").read_text()) == {
        "generator": "unclip",
        "converted": {
            "name": "unclip.ckpt",
            "num_bytes": checkpoint.stat().st_size,
            "sha256": sha256_of(checkpoint),
        },
    }
    schedule = EulerDiscreteScheduler.from_pretrained(out / "scheduler")
    assert schedule.config.beta_schedule == "scaled_linear"
    weights = out / "unet" / "diffusion_pytorch_model.safetensors"
    assert oct(weights.stat().st_mode)[-3:] == "644"
    assert [path.name for path in tmp_path.iterdir()] == ["unclip"]


def test_large_weights_go_to_several_files_and_come_back(
    checkpoint, tmp_path, convert, monkeypatch
):
    whole = convert(checkpoint, tmp_path / "whole")
    monkeypatch.setattr(convert_generator, "SHARD_BYTES", 100_000)
    told = []
    out = convert(checkpoint, tmp_path / "shards", progress=lambda *one: told.append(one))
    shards = sorted((out / "unet").glob("*.safetensors"))
    assert len(shards) > 2
    assert ("unet", len(shards), len(shards)) in told
    expected = UNet2DConditionModel.from_pretrained(whole / "unet").state_dict()
    for name, one in UNet2DConditionModel.from_pretrained(out / "unet").state_dict().items():
        assert torch.equal(one, expected[name])


def test_half_precision_stays_as_it_is(tmp_path, convert):
    half = {name: one.half() for name, one in sgm_state().items()}
    out = convert(save(tmp_path / "half.ckpt", half), tmp_path / "unclip")
    size = (out / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    unet = random_unet(TINY_UNCLIP_UNET)
    assert size < 2.1 * sum(one.numel() for one in unet.parameters()) + 300_000


UNET_KEY = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"


def without(state: dict, *names: str) -> dict:
    return {name: one for name, one in state.items() if name not in names}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda state: without(state, UNET_KEY),
            [
                "`down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight`",
                "is missing in this checkpoint.",
            ],
        ),
        (
            lambda state: without(state, "model.diffusion_model.label_emb.0.0.weight"),
            ["`model.diffusion_model.label_emb.0.0.weight` is missing"],
        ),
        (
            lambda state: state | {"model.diffusion_model.adapter.weight": torch.ones(2)},
            ["`model.diffusion_model.adapter.weight` is unknown to the UNet2DConditionModel"],
        ),
        (
            lambda state: state | {"first_stage_model.loss.weight": torch.ones(2)},
            ["`first_stage_model.loss.weight` is unknown to the AutoencoderKL"],
        ),
        (
            lambda state: state | {"model_ema.decay": torch.ones(1), "model_ema.n": torch.ones(1)},
            ["`model_ema.decay` is no part of an unCLIP of sgm, and 1 more"],
        ),
        (
            lambda state: state | {UNET_KEY: torch.ones(16, 7)},
            [f"`{UNET_KEY}` is [16, 7] instead of [16, 12]", "another generator"],
        ),
        (
            lambda state: {name: one for name, one in state.items() if "diffusion" not in name},
            ["holds no UNet", "`model.diffusion_model.`", "its first is `first_stage_model."],
        ),
    ],
    ids=["missing", "missing condition", "extra", "extra of the VAE", "other part", "shape", "no"],
)
def test_another_checkpoint_is_refused_by_names_and_leaves_nothing(tmp_path, convert, spoil, told):
    file = save(tmp_path / "spoiled.ckpt", spoil(sgm_state()))
    with pytest.raises((LookupError, ValueError)) as caught:
        convert(file, tmp_path / "unclip")
    for part in told:
        assert part in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["spoiled.ckpt"]


class Poison:
    """Runs a command in whoever unpickles it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_poisoned_checkpoint_runs_nothing(tmp_path, convert):
    marker = tmp_path / "ran"
    torch.save({"state_dict": sgm_state(), "callbacks": Poison(marker)}, tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match="would run code"):
        convert(tmp_path / "bad.ckpt", tmp_path / "unclip")
    assert not marker.exists()


def test_a_taken_folder_and_a_full_disk_are_refused_before_anything_is_written(
    checkpoint, tmp_path, convert, monkeypatch
):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        convert(checkpoint, tmp_path / "taken")
    asked = []

    def full(folder, num_bytes, what):
        asked.append(num_bytes)
        raise OSError("full")

    monkeypatch.setattr(convert_generator, "require_free_space", full)
    with pytest.raises(OSError, match="full"):
        convert(checkpoint, tmp_path / "unclip")
    modules = (random_unet(TINY_UNCLIP_UNET), random_vae(TINY_VAE))
    assert asked == [4 * sum(p.numel() for one in modules for p in one.parameters())]
    assert not (tmp_path / "unclip").exists()


def refusal(arguments: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["convert", *arguments])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_command_line_converts_a_generator_without_subjects(
    checkpoint, tmp_path, monkeypatch, capsys
):
    tiny = functools.partial(convert_unclip, unet=TINY_UNCLIP_UNET, vae=TINY_VAE)
    monkeypatch.setattr(convert_generator, "convert_unclip", tiny)
    main(["convert", "unclip", str(checkpoint), "--out", str(tmp_path / "unclip")])
    assert capsys.readouterr().out == f"generator: {tmp_path / 'unclip'}\n"
    assert (tmp_path / "unclip" / "unclip.json").exists()


def test_the_command_line_refuses_what_a_generator_has_not(checkpoint, tmp_path, capsys):
    given = ["unclip", str(checkpoint)]
    assert "--out FOLDER" in refusal(given, capsys)
    given += ["--out", str(tmp_path / "unclip")]
    assert "--subjects is of no use" in refusal([*given, "--subjects", "1"], capsys)
    assert "--keep-idle is of no use" in refusal([*given, "--keep-idle"], capsys)
    assert "more. Is it another checkpoint?" in refusal(given, capsys)
    assert "There is no checkpoint" in refusal(["unclip", "no.ckpt", *given[2:]], capsys)
    assert "mindeye2 and, of generators, unclip" in refusal(
        ["unclipped", *given[1:], "--subjects", "1"], capsys
    )
    assert not (tmp_path / "unclip").exists()
