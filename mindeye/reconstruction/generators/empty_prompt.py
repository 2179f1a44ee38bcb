"""What a Stable Diffusion reads where nobody has written a prompt."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

FIRST, SECOND = "text_encoder", "text_encoder_2"
WEIGHTS_OF = {None: "model.safetensors", "fp16": "model.fp16.safetensors"}
PROMPT_TOKENS, POOLED_WIDTH = 77, 1280
# CLIP's vocabulary: an empty text begins, ends and is filled up. SDXL's second tokenizer fills up
# with "!", all others with the end.
START, END, FILLED = 49406, 49407, 0


@dataclass(frozen=True, kw_only=True)
class EmptyPrompt:
    """Said alike to both sides of guidance, which thus leans on the picture's tokens alone."""

    words: Float[Tensor, "words width"]
    pooled: Float[Tensor, "pooled"]
    """Read by SDXL alone."""
    mark: str
    """For the generator's identity: empty where all are zeros."""


def no_prompt(unet: UNet2DConditionModel, device: torch.device | str = "cpu") -> EmptyPrompt:
    """Zeros."""
    words = torch.zeros(PROMPT_TOKENS, unet.config.cross_attention_dim, device=device)
    return EmptyPrompt(words=words, pooled=torch.zeros(POOLED_WIDTH, device=device), mark="")


def empty_prompt(
    base: Path, unet: UNet2DConditionModel, device: torch.device | str = "cpu"
) -> EmptyPrompt:
    """What the text encoders of a folder say of an empty prompt; zeros where they are not there.

    IP-Adapters saw this in the place of dropped captions. Zeros are what diffusers lets SDXL read
    where no negative prompt is given; Stable Diffusion 1.5 is never given any.

    Raises:
        FileNotFoundError: SDXL's second encoder or the weights of one are missing.
        ValueError: the encoders of another network.

    Source: IP-Adapter (arXiv:2308.06721) and its released training code; diffusers' pipelines.
    """
    if not (base / FIRST).is_dir():
        return no_prompt(unet, device)
    is_sdxl = unet.config.addition_embed_type == "text_time"
    words, pooled = _said(CLIPTextModel, base / FIRST, END, penultimate=is_sdxl)
    if is_sdxl:
        more, pooled = _said(CLIPTextModelWithProjection, base / SECOND, FILLED, penultimate=True)
        words = torch.cat([words, more], dim=-1)
    if words.shape[-1] != unet.config.cross_attention_dim:
        raise ValueError(
            f"The text encoders of {base} say {words.shape[-1]} numbers for each word, but its "
            f"UNet reads {unet.config.cross_attention_dim}. Fetch both from one repository, or "
            f"move {FIRST} away."
        )
    return EmptyPrompt(words=words.to(device), pooled=pooled.to(device), mark="+empty-prompt")


@torch.inference_mode()
def _said(
    kind: type[CLIPTextModel | CLIPTextModelWithProjection],
    folder: Path,
    filling: int,
    *,
    penultimate: bool,
) -> tuple[Float[Tensor, "words width"], Float[Tensor, "pooled"]]:
    variants = [one for one, name in WEIGHTS_OF.items() if (folder / name).is_file()]
    if not variants or not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"There is no text encoder at {folder}: config.json or {WEIGHTS_OF[None]} is missing. "
            f"Fetch it whole, or move {FIRST} away: then zeros are read."
        )
    encoder, found = kind.from_pretrained(
        folder,
        variant=variants[0],
        use_safetensors=True,
        local_files_only=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    if found["missing_keys"]:
        raise ValueError(
            f"{folder / WEIGHTS_OF[variants[0]]} lacks {len(found['missing_keys'])} weights, such "
            f"as `{min(found['missing_keys'])}`. Fetch it again."
        )
    text = torch.tensor([[START, END] + [filling] * (PROMPT_TOKENS - 2)])
    told = encoder.eval()(text, output_hidden_states=True)
    words = told.hidden_states[-2] if penultimate else told.last_hidden_state
    pooled = getattr(told, "text_embeds", None)
    return words[0].clone(), (told.pooler_output if pooled is None else pooled)[0].clone()
