"""IP-Adapter-Plus: Stable Diffusion (XL or 1.5) that draws from penultimate tokens of ViT-H-14."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.utils import logging
from jaxtyping import Float, Shaped
from torch import Tensor

from mindeye.files import sha256_of
from mindeye.models.checkpoint.file import open_checkpoint
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.empty_prompt import EmptyPrompt, empty_prompt
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.latent_diffusion import LatentVae, side_of
from mindeye.reconstruction.generators.latent_generator import LatentGenerator
from mindeye.reconstruction.generators.network_folder import load_network, weights_hash
from mindeye.reconstruction.generators.placing import place, require_possible, torch_dtype
from mindeye.reconstruction.generators.sdxl import size_conditions, vae_dtype
from mindeye.reconstruction.generators.token_fit import (
    marked_name,
    require_tokens,
    token_shape_of,
)
from mindeye.targets.clip import ClipTarget, penultimate_tokens

ADAPTER_FILES = {
    "ip-adapter-sdxl": "sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors",
    "ip-adapter-sd15": "models/ip-adapter-plus_sd15.safetensors",
}


@dataclass(frozen=True, kw_only=True)
class IpAdapter(LatentGenerator):
    """Implements `ImageGenerator`; the text that the network also reads is an empty prompt.

    Source: IP-Adapter (arXiv:2308.06721), as diffusers' pipelines run it.
    """

    negative: Float[Tensor, "tokens width"]
    """What guidance leads away from: tokens of a picture without content."""
    prompt: EmptyPrompt

    schedule: ClassVar = EulerDiscreteScheduler

    def nothing(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        return self.negative.expand_as(tokens).to(tokens)

    def predict(
        self,
        latents: Float[Tensor, "images channels rows columns"],
        time: Shaped[Tensor, ""],
        tokens: Float[Tensor, "images tokens width"],
    ) -> Float[Tensor, "images channels rows columns"]:
        dtype, count = self.unet.dtype, len(latents)
        latents = latents.to(dtype)
        conditions = {"image_embeds": [tokens[:, None].to(dtype)]}
        if self.unet.config.addition_embed_type == "text_time":
            sizes = (self.side, self.side, 0, 0, self.side, self.side)
            conditions["text_embeds"] = self.prompt.pooled.to(latents).expand(count, -1)
            conditions["time_ids"] = size_conditions(sizes, latents)
        prompt = self.prompt.words.to(latents).expand(count, -1, -1)
        told = self.unet(latents, time, encoder_hidden_states=prompt, added_cond_kwargs=conditions)
        return told.sample.float()


@torch.inference_mode()
def negative_tokens(clip: ClipTarget) -> Float[Tensor, "tokens width"]:
    """Tokens of a picture that is zero everywhere after normalising: CLIP's mean grey.

    IP-Adapters were trained with zeros in the place of dropped pictures; not with black ones,
    whose normalised values are about -2, nor with zeros in the place of tokens.
    """
    pixels = torch.zeros(1, 3, clip.side, clip.side, device=clip.model.visual.proj.device)
    return penultimate_tokens(clip.model.visual, pixels)[0]


def load_ip_adapter(
    name: str,
    base: Path,
    adapter: Path,
    clip: ClipTarget,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
) -> IpAdapter:
    """Opens unet, vae and scheduler of a Stable Diffusion folder, and the adapter in another.

    Attention is never sliced: slicing would take the adapter's place in it. The VAE still is.

    Args:
        name: a key of `ADAPTER_FILES`.
        clip: the run's target, for the tokens of a picture without content.

    Raises:
        FileNotFoundError: a part is missing.
        ValueError: other tokens, damaged weights, or what the device cannot do.
    """
    require_possible(execution, device)
    token_shape = token_shape_of(facts_of(name), base)
    require_tokens(name, token_shape, clip.token_shape)
    file, schedule = adapter / ADAPTER_FILES[name], base / "scheduler" / "scheduler_config.json"
    for path in (file, schedule):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Fetch its repository's files whole.")
    dtype = torch_dtype(execution)
    unet = load_network(UNet2DConditionModel, base / "unet", dtype)
    vae = load_network(AutoencoderKL, base / "vae", vae_dtype(dtype))
    prompt = empty_prompt(base, unet, device)
    with_adapter(unet, adapter_weights(file))
    place(unet, vae, execution, device, slices_attention=False)
    return IpAdapter(
        name=name,
        unet=unet,
        vae=LatentVae(model=vae, side=side_of(unet, vae)),
        scheduler_config=EulerDiscreteScheduler.load_config(base / "scheduler"),
        identity=(
            f"{marked_name(name, base)}-{weights_hash(base / 'unet', base / 'vae')}"
            f"{sha256_of(file)[:6]}{prompt.mark}{execution.mark}"
        ),
        token_shape=token_shape,
        negative=negative_tokens(clip).to(device),
        prompt=prompt,
    )


def adapter_weights(file: Path) -> Mapping[str, Mapping[str, Tensor]]:
    """`image_proj` and `ip_adapter`, as diffusers takes them.

    Raises:
        ValueError: a damaged file, or none of an adapter.
    """
    weights = open_checkpoint(file).weights
    parts: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name in weights:
        part, _, rest = name.partition(".")
        if part not in parts:
            raise ValueError(f"{file} is no IP-Adapter: it holds `{name}`. Fetch it again.")
        parts[part][rest] = weights[name]
    if "latents" not in parts["image_proj"]:
        raise ValueError(
            f"{file} is no IP-Adapter of the plus kind, which reads all tokens: "
            "`image_proj.latents` is missing. Fetch another file of its repository."
        )
    return parts


def with_adapter(
    unet: UNet2DConditionModel, parts: Mapping[str, Mapping[str, Tensor]]
) -> UNet2DConditionModel:
    """Puts an adapter into a UNet, in place; encoders are neither loaded nor fetched.

    Raises:
        ValueError: an adapter of another UNet.
    """
    is_sdxl = unet.config.addition_embed_type == "text_time"
    kind = StableDiffusionXLPipeline if is_sdxl else StableDiffusionPipeline
    names = ("vae", "text_encoder", "tokenizer", "scheduler", "feature_extractor")
    more = ("text_encoder_2", "tokenizer_2") if is_sdxl else ("safety_checker",)
    options = {} if is_sdxl else {"requires_safety_checker": False}
    pipeline = kind(unet=unet, **dict.fromkeys((*names, *more)), **options)
    verbosity = logging.get_verbosity()
    # Or diffusers warns that pictures cannot be prompts, and of casts that nobody asked for.
    logging.set_verbosity_error()
    try:
        pipeline.load_ip_adapter(
            parts, subfolder="", weight_name="", image_encoder_folder=None, low_cpu_mem_usage=False
        )
    except (RuntimeError, KeyError) as error:
        raise ValueError(
            f"The adapter does not fit the UNet ({str(error).splitlines()[-1].strip()}). "
            "Is it that of the other Stable Diffusion?"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    return unet.eval().requires_grad_(False)
