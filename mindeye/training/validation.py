"""How well the decoder does on images that were held out of the training images."""

import torch

from mindeye.losses import latent_distance, top1_share
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder
from mindeye.training.augmentation import augmented
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.order import derived_seed
from mindeye.training.subjects import Material

# Validation images whose latents are computed at once: the upsampling takes memory.
BLURRY_BATCH = 50


@torch.inference_mode()
def validation(
    config: ExperimentConfig, decoder: Decoder, material: Material, step: int
) -> dict[str, float]:
    """Of each subject that has validation images: top-1 image retrieval among them.

    A training of the low-level head alone, which finds no images, tells the distance of its
    latents (`latent_distance`, without weight) instead.
    """
    decoder.eval()
    if not (config.losses.contrastive or config.losses.prior):
        return _distances(config, decoder, material)
    device, networks = next(decoder.parameters()).device, material.networks
    values = {}
    for number, subject in material.subjects.items():
        image_ids = subject.validation.image_ids
        if not len(image_ids):
            continue
        tokens = subject.targets.tokens(image_ids).to(device)
        if networks.augments_validation:
            # As published (quirk `augmented_validation`): the number depends on the draw.
            generator = torch.Generator().manual_seed(derived_seed(config.seed, step, 2))
            pictures = augmented(subject.pictures(image_ids), networks.augmentation, generator)
            tokens = networks.clip.tokens(pictures.to(device)).float()
        output = decoder(subject.validation.mean().to(device), number)
        found = top1_share(output.embeddings @ embedding_of(tokens).T)
        values[f"validation_top1_subj{number:02d}"] = found.item()
    return values


def _distances(config: ExperimentConfig, decoder: Decoder, material: Material) -> dict[str, float]:
    """Distance of the blurry reconstructions' latents, where latents are learned."""
    losses, device = config.losses, next(decoder.parameters()).device
    if not (losses.low_level or losses.of_decoded):
        return {}
    values = {}
    for number, subject in material.subjects.items():
        scans, image_ids = subject.validation.mean(), subject.validation.image_ids
        if not len(image_ids):
            continue
        total = 0.0
        for betas, ids in zip(
            scans.split(BLURRY_BATCH), image_ids.split(BLURRY_BATCH), strict=True
        ):
            latents = decoder.blurry(betas.to(device), number).latents
            wanted = subject.targets.latents(ids).to(device)
            total += len(ids) * latent_distance(latents, wanted).item()
        values[f"validation_latent_distance_subj{number:02d}"] = total / len(image_ids)
    return values
