import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mindeye.reconstruction.generators.execution import GeneratorExecution
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES, load_ip_adapter
from mindeye.reconstruction.generators.opening import open_generator
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.verbs.benchmarks.random_sdxl import write_random_ip_adapter

NAMES = tuple(ADAPTER_FILES)
SDXL, SD15 = NAMES


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("adapters")
    return {
        name: write_random_ip_adapter(name, place / name, token_shape=(5, 16)) for name in NAMES
    }


@pytest.fixture(scope="module")
def clip(networks):
    return load_clip(networks.clip, form="penultimate")


def drawn(generator, count: int, first: int = 0, **options) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randn(3, 5, 16, generator=draw)[first : first + count]
    seeds = [torch.Generator().manual_seed(first + image) for image in range(count)]
    given = {"start": None, "strength": 1.0, "steps": 3, "guidance": 4.0, **options}
    with torch.inference_mode():
        return generator.generate(tokens, generators=seeds, **given)


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_by_name_with_the_runs_clip_and_tells_its_weights(folders, networks, clip, name):
    generator = open_generator(name, folders[name], vae=load_vae(networks.vae), clip=clip)
    assert isinstance(generator, ImageGenerator)
    assert (generator.side, generator.token_shape) == (64, (5, 16))
    assert generator.identity.startswith(f"{name}-random-")
    pictures = drawn(generator, 2)
    assert pictures.shape == (2, 3, 64, 64)
    assert 0 <= pictures.min() < pictures.max() <= 1


def test_opening_says_nothing_of_what_nobody_asked_for(folders, clip, caplog):
    load_ip_adapter(SD15, folders[SD15], folders[SD15], clip)
    assert [one.getMessage() for one in caplog.records if one.name.startswith("diffusers")] == []


def test_a_picture_does_not_depend_on_its_batch(folders, clip):
    generator = load_ip_adapter(SDXL, folders[SDXL], folders[SDXL], clip)
    alone = torch.cat([drawn(generator, 1, first=one) for one in range(3)])
    assert (drawn(generator, 3) - alone).abs().max() < 2e-5
    assert (alone[0] - alone[1]).abs().max() > 0.02


def test_the_tokens_reach_the_picture_and_given_ones_replace_the_negative(folders, clip):
    generator = load_ip_adapter(SDXL, folders[SDXL], folders[SDXL], clip)
    plain = drawn(generator, 2)
    own = generator.negative.expand(2, -1, -1)
    assert torch.equal(drawn(generator, 2, unconditional=own), plain)
    assert not torch.allclose(drawn(generator, 2, unconditional=torch.zeros_like(own)), plain)


@pytest.mark.parametrize("slicing", ["slices", "tiles"])
def test_saving_memory_leaves_the_adapter_in_its_place(folders, clip, slicing):
    execution = GeneratorExecution(slicing=slicing)
    plain = load_ip_adapter(SD15, folders[SD15], folders[SD15], clip)
    sliced = load_ip_adapter(SD15, folders[SD15], folders[SD15], clip, execution=execution)
    assert (drawn(plain, 2) - drawn(sliced, 2)).abs().max() < 1e-5
    half = GeneratorExecution(dtype="bfloat16")
    coarse = load_ip_adapter(SD15, folders[SD15], folders[SD15], clip, execution=half)
    assert coarse.identity.endswith("+bfloat16")
    assert 0 < (drawn(plain, 2) - drawn(coarse, 2)).abs().mean() < 0.05


def changed(folder, tmp_path, change):
    """A copy of a folder whose adapter is changed."""
    other = shutil.copytree(folder, tmp_path / "other")
    file = other / ADAPTER_FILES[SDXL]
    weights = change(load_file(file))
    file.unlink()
    if weights:
        save_file(weights, file)
    return other


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: {}, "ip-adapter-plus_sdxl_vit-h.safetensors is missing"),
        (lambda one: one | {"lora.up": torch.ones(2)}, "no IP-Adapter: it holds `lora.up`"),
        (
            lambda one: {name: value for name, value in one.items() if "latents" not in name},
            "no IP-Adapter of the plus kind",
        ),
        (
            lambda one: one | {"ip_adapter.1.to_k_ip.weight": torch.ones(16, 7)},
            "The adapter does not fit the UNet .*that of the other Stable Diffusion",
        ),
        (
            lambda one: {name: one[name] for name in one if "ip_adapter.3." not in name},
            "The adapter does not fit the UNet",
        ),
    ],
    ids=["missing", "other", "not plus", "misshapen", "incomplete"],
)
def test_another_adapter_is_refused(folders, clip, tmp_path, change, told):
    other = changed(folders[SDXL], tmp_path, change)
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        load_ip_adapter(SDXL, other, other, clip)


def test_tokens_of_another_clip_are_refused_with_both_shapes(folders, networks, clip, tmp_path):
    other = shutil.copytree(folders[SDXL], tmp_path / "other")
    (other / "RANDOM.json").write_text(json.dumps({"token_shape": [257, 1280]}))
    with pytest.raises(ValueError, match="tokens are 5 x 16, but ip-adapter-sdxl takes 257 x 1280"):
        load_ip_adapter(SDXL, other, other, clip)


def test_weights_that_are_not_there_are_named_with_their_commands(networks, clip, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    with pytest.raises(FileNotFoundError, match="hf download stabilityai/stable-diffusion-xl-base"):
        open_generator(SDXL, vae=load_vae(networks.vae), clip=clip)
