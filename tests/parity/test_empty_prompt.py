"""What an IP-Adapter reads of an empty prompt, against diffusers' pipelines with text encoders."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from mindeye.reconstruction.generators.empty_prompt import POOLED_WIDTH, empty_prompt
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES, load_ip_adapter
from mindeye.targets.clip import load_clip
from mindeye.verbs.benchmarks.random_sdxl import write_random_ip_adapter

NAMES = tuple(ADAPTER_FILES)
SDXL, SD15 = NAMES
# Width of each text encoder: together what the tiny UNets read.
WIDTHS_OF = {SDXL: (8, 12), SD15: (20,)}
END = "<|endoftext|>"


def write_encoder(folder: Path, width: int, *, pooled: bool, seed: int) -> None:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=POOLED_WIDTH,
        # As in the published configurations: the end is looked for as the largest id.
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        made = (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config).eval()
        for one in made.parameters():
            torch.nn.init.normal_(one, std=0.3)
    made.save_pretrained(folder)


def tokenizer(folder: Path, filling: str) -> CLIPTokenizer:
    """Of CLIP's ids, without its words: an empty text has none."""
    folder.mkdir()
    words = {"!": 0, "<|startoftext|>": 49406, END: 49407}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        pad_token=filling,
        model_max_length=77,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place, found = tmp_path_factory.mktemp("prompts"), {}
    for name in NAMES:
        folder = found[name] = write_random_ip_adapter(name, place / name, token_shape=(5, 16))
        for number, width in enumerate(WIDTHS_OF[name]):
            where = folder / ("text_encoder" if number == 0 else "text_encoder_2")
            write_encoder(where, width, pooled=number == 1, seed=number)
    return found


def pipeline_of(name: str, folder: Path, place: Path):
    is_sdxl = name == SDXL
    parts = {
        "unet": UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
        "vae": AutoencoderKL.from_pretrained(folder, subfolder="vae"),
        "scheduler": EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler"),
        "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder"),
        "tokenizer": tokenizer(place / "one", END),
        "feature_extractor": None,
    }
    if is_sdxl:
        second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
        parts |= {"text_encoder_2": second, "tokenizer_2": tokenizer(place / "two", "!")}
    else:
        parts |= {"safety_checker": None, "requires_safety_checker": False}
    pipeline = (StableDiffusionXLPipeline if is_sdxl else StableDiffusionPipeline)(**parts)
    subfolder, file = ADAPTER_FILES[name].split("/")
    pipeline.load_ip_adapter(
        str(folder), subfolder=subfolder, weight_name=file, image_encoder_folder=None
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_that_of_diffusers_pipeline_of_an_empty_prompt(
    folders, networks, name, tmp_path
):
    clip = load_clip(networks.clip, form="penultimate")
    generator = load_ip_adapter(name, folders[name], folders[name], clip)
    assert generator.identity.endswith("+empty-prompt")
    tokens = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(1))
    options = {"guidance": 4.0, "steps": 5, "start": None, "strength": 1.0}
    drawn = generator.generate(tokens, generators=[torch.Generator().manual_seed(4)], **options)
    theirs = pipeline_of(name, folders[name], tmp_path)(
        prompt="",
        negative_prompt="",
        ip_adapter_image_embeds=[torch.stack([generator.negative, tokens[0]])[:, None]],
        num_inference_steps=5,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(4),
        output_type="pt",
    ).images[0]
    assert theirs.std() > 0.05
    assert (drawn[0] - theirs).abs().max() <= 1e-5
    without = Path(shutil.copytree(folders[name], tmp_path / "without"))
    shutil.rmtree(without / "text_encoder")
    plain = load_ip_adapter(name, without, without, clip)
    assert "empty-prompt" not in plain.identity
    zeros = plain.generate(tokens, generators=[torch.Generator().manual_seed(4)], **options)
    assert (zeros - drawn).abs().max() > 1e-3


def test_sixteen_bit_files_are_found_and_half_fetched_encoders_refused(folders, tmp_path):
    folder = Path(shutil.copytree(folders[SDXL], tmp_path / "sdxl"))
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    expected = empty_prompt(folder, unet)
    file = folder / "text_encoder" / "model.safetensors"
    file.rename(file.with_name("model.fp16.safetensors"))
    assert torch.equal(empty_prompt(folder, unet).words, expected.words)
    shutil.rmtree(folder / "text_encoder_2")
    with pytest.raises(FileNotFoundError, match=r"no text encoder at .*text_encoder_2"):
        empty_prompt(folder, unet)


def test_encoders_of_another_stable_diffusion_are_refused(folders, tmp_path):
    folder = Path(shutil.copytree(folders[SD15], tmp_path / "sd15"))
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    shutil.rmtree(folder / "text_encoder")
    write_encoder(folder / "text_encoder", 8, pooled=False, seed=0)
    with pytest.raises(ValueError, match=r"say 8 numbers for each word, but its UNet reads 20"):
        empty_prompt(folder, unet)
