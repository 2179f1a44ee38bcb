"""A whole SDXL folder with random weights, text encoders and tokenizers included, for tests."""

import json
import string
import tempfile
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from mindeye.reconstruction.generators.sdxl import SCHEDULE
from mindeye.verbs.benchmarks.random_sdxl import (
    TINY_SDXL_UNET,
    TINY_VAE,
    random_unet,
    random_vae,
)

LETTERS = string.ascii_lowercase + ","
WORDS = (*LETTERS, *(f"{one}</w>" for one in LETTERS), "<|startoftext|>", "<|endoftext|>")
WIDTHS = (8, 12)
"""Of the two text encoders; together what the UNet reads. The second is also pooled."""


def write_random_sdxl(folder: Path) -> Path:
    """As diffusers saves a pipeline; reads lower-case letters."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        first = CLIPTextModel(_text_config(WIDTHS[0]))
        second = CLIPTextModelWithProjection(_text_config(WIDTHS[1], projection_dim=WIDTHS[1]))
    unet = {**TINY_SDXL_UNET, "projection_class_embeddings_input_dim": WIDTHS[1] + 36}
    tokenizer = _tokenizer()
    StableDiffusionXLImg2ImgPipeline(
        unet=random_unet(unet),
        vae=random_vae(TINY_VAE),
        scheduler=EulerDiscreteScheduler.from_config({**SCHEDULE, "timestep_spacing": "leading"}),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        text_encoder=first,
        text_encoder_2=second,
    ).save_pretrained(folder)
    return folder


def _text_config(width: int, **more: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=len(WORDS) - 2,
        eos_token_id=len(WORDS) - 1,
        **more,
    )


def _tokenizer() -> CLIPTokenizer:
    with tempfile.TemporaryDirectory() as place:
        vocabulary, merges = Path(place, "vocab.json"), Path(place, "merges.txt")
        vocabulary.write_text(json.dumps({word: number for number, word in enumerate(WORDS)}))
        merges.write_text("#version: 0.2\n")
        return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=77)
