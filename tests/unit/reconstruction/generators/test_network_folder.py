"""Weights come in from folders of others: whole, of the right class, and without running code."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from mindeye.reconstruction.generators.network_folder import (
    load_network,
    weights_hash,
    weights_paths,
)

WEIGHTS = "diffusion_pytorch_model.safetensors"
PICKLED = "diffusion_pytorch_model.bin"


@pytest.fixture
def vae_folder(random_generators, tmp_path) -> Path:
    return Path(shutil.copytree(random_generators["versatile"] / "vae", tmp_path / "vae"))


def state(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def as_pickle(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    torch.save(weights, folder / PICKLED)
    (folder / WEIGHTS).unlink()


def assert_same(network, expected: dict[str, torch.Tensor]) -> None:
    found = network.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_a_network_is_the_one_that_diffusers_opens(vae_folder):
    ours = load_network(AutoencoderKL, vae_folder)
    theirs = AutoencoderKL.from_pretrained(vae_folder)
    assert_same(ours, theirs.state_dict())
    assert not ours.training
    assert not any(one.requires_grad for one in ours.parameters())
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        pairs = ours.encode(picture).latent_dist.mean, theirs.encode(picture).latent_dist.mean
    torch.testing.assert_close(*pairs, rtol=0, atol=1e-6)


def test_weights_of_torch_save_are_read_without_unpickling(vae_folder, monkeypatch):
    expected = state(vae_folder)
    as_pickle(vae_folder, expected)
    for module, name in ((pickle, "Unpickler"), (pickle, "load"), (torch, "load")):
        monkeypatch.setattr(module, name, None)
    assert_same(load_network(AutoencoderKL, vae_folder), expected)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_a_pickle_that_would_run_code_runs_none(vae_folder, tmp_path):
    bomb = Bomb()
    bomb.path = str(tmp_path / "ran")
    as_pickle(vae_folder, {**state(vae_folder), "surprise": bomb})
    with pytest.raises(ValueError, match=r"surprise|would run"):
        load_network(AutoencoderKL, vae_folder)
    assert not (tmp_path / "ran").exists()


def test_attention_is_found_under_the_names_that_it_had_in_2022(vae_folder):
    expected = state(vae_folder)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in expected.items():
        parts = [f".{new}." for new in old if f".{new}." in name]
        renamed[name.replace(parts[0], f".{old[parts[0].strip('.')]}.") if parts else name] = tensor
    assert sum("query" in name for name in renamed) == 4
    as_pickle(vae_folder, renamed)
    assert_same(load_network(AutoencoderKL, vae_folder), expected)
    assert_same(AutoencoderKL.from_pretrained(vae_folder, use_safetensors=False), expected)


def test_weights_in_several_files_are_joined(vae_folder):
    expected = state(vae_folder)
    AutoencoderKL.from_pretrained(vae_folder).save_pretrained(
        vae_folder.parent / "shards", max_shard_size="20KB"
    )
    folder = vae_folder.parent / "shards"
    assert len(weights_paths(folder)) > 1
    assert_same(load_network(AutoencoderKL, folder), expected)
    weights_paths(folder)[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing, one of the \d+ files that"):
        load_network(AutoencoderKL, folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_are_read_in_the_dtype_that_is_asked_for(vae_folder, dtype):
    network = load_network(AutoencoderKL, vae_folder, dtype)
    expected = {name: one.to(dtype) for name, one in state(vae_folder).items()}
    assert_same(network, expected)
    assert network.dtype == dtype


def test_another_class_is_refused_with_both_names(random_generators):
    with pytest.raises(ValueError, match=r"describes a AutoencoderKL, but a UNet2DConditionModel"):
        load_network(UNet2DConditionModel, random_generators["versatile"] / "vae")


def test_a_file_that_was_cut_off_is_refused(vae_folder):
    content = (vae_folder / WEIGHTS).read_bytes()
    (vae_folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"safetensors is damaged .*Fetch it again"):
        load_network(AutoencoderKL, vae_folder)


@pytest.mark.parametrize("change", ["missing", "unknown", "misshapen"])
def test_weights_of_another_network_are_refused_with_one_of_them(vae_folder, change):
    weights = state(vae_folder)
    name = "decoder.conv_in.weight"
    if change == "missing":
        del weights[name]
    elif change == "unknown":
        name = "decoder.conv_between.weight"
        weights[name] = torch.zeros(2)
    else:
        weights[name] = weights[name][:, :2].contiguous()
    save_file(weights, vae_folder / WEIGHTS)
    message = rf"does not fit .*config.json: 1 of its \d+ weights differ, such as `{name}`"
    with pytest.raises(ValueError, match=message):
        load_network(AutoencoderKL, vae_folder)


def test_a_config_that_is_no_networks_is_refused(vae_folder):
    (vae_folder / "config.json").write_text(json.dumps({"side": 3}))
    with pytest.raises(ValueError, match="describes a no class of diffusers"):
        load_network(AutoencoderKL, vae_folder)


def test_the_hash_tells_any_of_the_weights(random_generators, vae_folder):
    unet = random_generators["versatile"] / "image_unet"
    before = weights_hash(unet, vae_folder)
    assert before == weights_hash(unet, random_generators["versatile"] / "vae")
    weights = state(vae_folder)
    weights["decoder.conv_in.bias"] += 1
    save_file(weights, vae_folder / WEIGHTS)
    assert weights_hash(unet, vae_folder) != before
