"""One training step: scans and targets in, losses out. Models, targets and losses meet here."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mindeye.losses import (
    latent_distance,
    mixed_contrastive,
    mixing_matrix,
    soft_contrastive,
    top1_share,
)
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder
from mindeye.training.experiment import LossConfig
from mindeye.training.schedule import soft_temperature
from mindeye.types import RepeatBatch


@dataclass(frozen=True, kw_only=True)
class TargetBatch:
    """The image side of a batch; rows in the order of the scans."""

    tokens: Float[Tensor, "trials tokens width"]
    latents: Float[Tensor, "trials channels rows columns"]


def drawn_repeats(
    batch: RepeatBatch, mean_of_repeats: float, generator: torch.Generator
) -> Float[Tensor, "images voxels"]:
    """One scan an image: a random repeat, or (with that chance) the mean of a random subset.

    Test scans are means over repeats, so training sees both single trials and means.
    """
    images, repeats, _ = batch.betas.shape
    chances = torch.rand(images, repeats, generator=generator) * batch.present
    single = nn.functional.one_hot(chances.argmax(1), repeats).bool()
    subset = (chances > torch.rand(images, 1, generator=generator)) | single
    as_mean = torch.rand(images, 1, generator=generator) < mean_of_repeats
    chosen = torch.where(as_mean, subset & batch.present, single).to(batch.betas.dtype)
    return torch.einsum("irv,ir->iv", batch.betas, chosen / chosen.sum(1, keepdim=True))


def step_losses(
    decoder: Decoder,
    betas: Float[Tensor, "trials voxels"],
    subject: int,
    targets: TargetBatch,
    config: LossConfig,
    share_done: float,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(weighted losses, monitors) of one batch of one subject.

    Args:
        share_done: steps done as a share of the training; says which phase it is.
        generator: of MixCo, noise levels and noise, on the CPU whatever the device.
    """
    mixing = share_done < config.mixco_phase
    labels = torch.eye(len(betas), device=betas.device)
    if mixing:
        labels = mixing_matrix(
            len(betas),
            concentration=config.mixco_concentration,
            share=config.mixco_share,
            generator=generator,
        ).to(betas.device)
    images = embedding_of(targets.tokens)
    # A mixed scan is for the most part one image's: that image's tokens and latents are wanted.
    main: Int[Tensor, trials] = labels.argmax(1)
    output = decoder(labels @ betas if mixing else betas, subject)
    if mixing:
        contrastive = mixed_contrastive(output.embeddings, images, labels, config.mixco_temperature)
    else:
        share = (share_done - config.mixco_phase) / (1 - config.mixco_phase)
        temperature = soft_temperature(share, config.soft_temperatures)
        contrastive = soft_contrastive(output.embeddings, images, temperature)
    seen = slice(0, config.prior_trials)
    prior = decoder.prior.loss(output.brain_tokens[seen], targets.tokens[main][seen], generator)
    losses = {"contrastive": contrastive, "prior": config.prior * prior}
    if output.low_level_latents is not None:
        losses["low_level"] = config.low_level * latent_distance(
            output.low_level_latents, targets.latents[main]
        )
    return losses, {"top1": top1_share(output.embeddings.detach(), images[main])}
