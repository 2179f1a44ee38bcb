"""MindEye2's last step: SDXL draws over a reconstruction, led by a caption of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    UNet2DConditionModel,
)
from jaxtyping import Float
from torch import Tensor

from mindeye.reconstruction.candidate_noise import normal_noise
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.latent_diffusion import LatentVae, denoised
from mindeye.reconstruction.generators.network_folder import load_network, weights_hash
from mindeye.reconstruction.generators.placing import place, require_possible, torch_dtype
from mindeye.reconstruction.generators.sdxl import (
    SgmEulerScheduler,
    size_conditions,
    vae_dtype,
)
from mindeye.reconstruction.settings import steps_to_skip

STEPS, KEPT_STEPS, GUIDANCE = 25, 12, 5.0
"""As published: the last 13 of 25 noise levels and zero are stepped through in 12 steps."""
SIDE, TARGET_SIDE = 768, 1024
NEGATIVE_PROMPT = (
    "painting, extra fingers, mutated hands, poorly drawn hands, poorly drawn face, deformed, "
    "ugly, blurry, bad anatomy, bad proportions, extra limbs, cloned face, skinny, glitchy, "
    "double torso, extra arms, extra hands, mangled fingers, missing lips, ugly face, distorted "
    "face, extra legs, anime"
)
"""As published."""


@dataclass(frozen=True, kw_only=True)
class SdxlRefiner:
    """Any SDXL checkpoint in diffusers' layout, with its text encoders."""

    pipeline: StableDiffusionXLImg2ImgPipeline
    vae: LatentVae
    identity: str
    device: torch.device
    """Where it draws; networks that are offloaded wait elsewhere."""

    def refine(
        self,
        pictures: Float[Tensor, "images 3 height width"],
        prompts: Sequence[str],
        *,
        generators: Sequence[torch.Generator],
        steps: int = STEPS,
        strength: float = KEPT_STEPS / STEPS,
        guidance: float = GUIDANCE,
        negative_prompt: str = NEGATIVE_PROMPT,
    ) -> Float[Tensor, "images 3 rows columns"]:
        """RGB in [0, 1]; the first and only sample of each picture.

        Args:
            generators: one for each picture: for the VAE's posterior, then for the noise.
            strength: share of the steps that are run.

        Raises:
            ValueError: a picture without a prompt, or a strength outside (0, 1].

        Source: MindEye2 (arXiv:2403.11207), released refinement code, in which the best of several
        samples can be chosen by the true picture; here there is nothing to choose.
        """
        if len(prompts) != len(pictures):
            raise ValueError(
                f"There are {len(pictures)} pictures and {len(prompts)} prompts. Give one of each."
            )
        device = pictures.device
        with_text, without, pooled, pooled_without = self.pipeline.encode_prompt(
            prompt=list(prompts),
            negative_prompt=[negative_prompt] * len(prompts),
            device=device,
            do_classifier_free_guidance=True,
        )
        pooled_both = torch.cat([pooled_without, pooled])
        sizes = (self.vae.side, self.vae.side, 0, 0, TARGET_SIDE, TARGET_SIDE)

        def predict(latents: Tensor, time: Tensor, tokens: Tensor) -> Tensor:
            unet = self.pipeline.unet
            conditions = {
                # Guidance 1 asks for the prompts alone, which stand last.
                "text_embeds": pooled_both[-len(latents) :].to(unet.dtype),
                "time_ids": size_conditions(sizes, latents),
            }
            told = unet(
                latents.to(unet.dtype),
                time,
                encoder_hidden_states=tokens.to(unet.dtype),
                added_cond_kwargs=conditions,
            )
            return told.sample.float()

        scheduler = SgmEulerScheduler.from_config(dict(self.pipeline.scheduler.config))
        scheduler.set_timesteps(steps, device=device)
        skipped = steps_to_skip(steps, strength)
        scheduler.set_begin_index(skipped)
        base = self.vae.latents(pictures, generators)
        noise = normal_noise(generators, self.vae.latent_shape).to(base)
        latents = base + scheduler.sigmas[skipped] * noise
        times = scheduler.timesteps[skipped:]
        latents = denoised(predict, scheduler, latents, times, with_text, without, guidance)
        return self.vae.pictures(latents)


def load_refiner(
    folder: Path,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
    *,
    side: int = SIDE,
) -> SdxlRefiner:
    """Opens an SDXL folder: unet, vae, scheduler, both text encoders and both tokenizers.

    Raises:
        FileNotFoundError: a part is missing.
        ValueError: damaged weights, or what the device cannot do.
    """
    require_possible(execution, device)
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(
            f"There is no pipeline at {folder}: model_index.json is missing. "
            "Give the folder of an SDXL checkpoint in diffusers' layout."
        )
    dtype = torch_dtype(execution)
    unet = load_network(UNet2DConditionModel, folder / "unet", dtype)
    vae = load_network(AutoencoderKL, folder / "vae", vae_dtype(dtype))
    place(unet, vae, execution, device)
    pipeline = StableDiffusionXLImg2ImgPipeline.from_pretrained(
        folder,
        unet=unet,
        vae=vae,
        scheduler=EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler"),
        dtype=dtype,
        local_files_only=True,
        use_safetensors=True,
    )
    for encoder in (pipeline.text_encoder, pipeline.text_encoder_2):
        encoder.to(device).eval().requires_grad_(False)
    return SdxlRefiner(
        pipeline=pipeline,
        vae=LatentVae(model=vae, side=side),
        device=torch.device(device),
        identity=f"sdxl-refiner-{weights_hash(folder / 'unet', folder / 'vae')}{execution.mark}",
    )
