"""How well the decoder finds images that were held out of the training images."""

import torch

from mindeye.losses import top1_share
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder
from mindeye.training.augmentation import augmented
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.order import derived_seed
from mindeye.training.subjects import Material


@torch.inference_mode()
def validation(
    config: ExperimentConfig, decoder: Decoder, material: Material, step: int
) -> dict[str, float]:
    """Top-1 image retrieval among each subject's validation images, where it has any."""
    if not (config.losses.contrastive or config.losses.prior):
        return {}
    decoder.eval()
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
        found = top1_share(output.embeddings, embedding_of(tokens))
        values[f"validation_top1_subj{number:02d}"] = found.item()
    return values
