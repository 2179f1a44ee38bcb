"""A tiny random unCLIP under the names of Stability's `sgm`, converted and compared."""

import json

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


@torch.inference_mode()
def test_the_converted_networks_give_the_same_numbers(unclip_path, tmp_path, convert):
    out = convert(unclip_path, tmp_path / "unclip")
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
    unclip_path, tmp_path, convert
):
    out = convert(unclip_path, tmp_path / "unclip")
    assert json.loads((out / "unclip.json").read_text()) == {
        "generator": "unclip",
        "converted": {
            "name": "unclip.ckpt",
            "num_bytes": unclip_path.stat().st_size,
            "sha256": sha256_of(unclip_path),
        },
    }
    schedule = EulerDiscreteScheduler.from_pretrained(out / "scheduler")
    assert schedule.config.beta_schedule == "scaled_linear"
    weights = out / "unet" / "diffusion_pytorch_model.safetensors"
    assert oct(weights.stat().st_mode)[-3:] == "644"
    assert [path.name for path in tmp_path.iterdir()] == ["unclip"]


def test_large_weights_go_to_several_files_and_come_back(
    unclip_path, tmp_path, convert, monkeypatch
):
    whole = convert(unclip_path, tmp_path / "whole")
    monkeypatch.setattr(convert_generator, "SHARD_BYTES", 100_000)
    told = []
    out = convert(unclip_path, tmp_path / "shards", progress=lambda *one: told.append(one))
    shards = sorted((out / "unet").glob("*.safetensors"))
    assert len(shards) > 2
    assert ("unet", len(shards), len(shards)) in told
    expected = UNet2DConditionModel.from_pretrained(whole / "unet").state_dict()
    for name, one in UNet2DConditionModel.from_pretrained(out / "unet").state_dict().items():
        assert torch.equal(one, expected[name])


def test_half_precision_stays_as_it_is(tmp_path, convert, save_unclip, unclip_state):
    half = {name: one.half() for name, one in unclip_state.items()}
    out = convert(save_unclip(tmp_path / "half.ckpt", half), tmp_path / "unclip")
    size = (out / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    unet = random_unet(TINY_UNCLIP_UNET)
    assert size < 2.1 * sum(one.numel() for one in unet.parameters()) + 300_000


def test_the_command_line_converts_a_generator_without_subjects(
    unclip_path, tmp_path, convert, monkeypatch, capsys
):
    monkeypatch.setattr(convert_generator, "convert_unclip", convert)
    main(["convert", "unclip", str(unclip_path), "--out", str(tmp_path / "unclip")])
    assert capsys.readouterr().out == f"generator: {tmp_path / 'unclip'}\n"
    assert (tmp_path / "unclip" / "unclip.json").exists()
