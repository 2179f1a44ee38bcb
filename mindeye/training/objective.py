"""One training step: scans and targets in, losses out. Models, targets and losses meet here."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.losses import (
    latent_distance,
    mixed_contrastive,
    soft_contrastive,
    soft_map_contrast,
    top1_share,
)
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder, DecoderOutput
from mindeye.models.low_level_network import LowLevelOutput
from mindeye.models.prior import DiffusionPrior
from mindeye.models.published_prior import PublishedPrior
from mindeye.targets.vae import VaeTarget
from mindeye.training.decoded_pictures import decoded_losses
from mindeye.training.drawn_step import DrawnStep, TargetBatch
from mindeye.training.experiment import LossConfig
from mindeye.training.schedule import Phase
from mindeye.training.share import Share

Outputs = TypeVar("Outputs", DecoderOutput, LowLevelOutput)


def step_losses(
    decoder: Decoder,
    step: DrawnStep,
    config: LossConfig,
    phase: Phase,
    share: Share,
    vae: VaeTarget | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(weighted losses, monitors) of a share of a batch; over all shares, they add up.

    Args:
        vae: decodes latents, where the decoded pictures are compared.
    """
    targets, wanted = step.targets, step.mixed.wanted
    if not (config.contrastive or config.prior):
        blurry = _outputs(decoder.blurry, step, share)
        losses = low_level_losses(blurry, targets, wanted, config, share, vae)
        return _with_absent(losses, decoder, step, share, blurry_alone=True), {}
    images = embedding_of(targets.tokens)
    output = _outputs(decoder, step, share)
    embeddings = share.among_all("embeddings", output.embeddings)
    # Rounded to half precision, cosines divided by so low a temperature would be off by 0.3.
    with torch.autocast(images.device.type, enabled=False):
        similarities = embeddings @ images.T
        if phase.mixes:
            contrastive = mixed_contrastive(similarities, step.mixed.labels, phase.temperature)
        else:
            contrastive = soft_contrastive(similarities, images @ images.T, phase.temperature)
    prior = prior_loss(decoder.prior, output.brain_tokens, step, share)
    losses = {
        "contrastive": config.contrastive * share.of_contrast(contrastive),
        "prior": config.prior * prior,
    }
    if output.low_level_latents is not None:
        blurry = LowLevelOutput(output.low_level_latents, output.low_level_maps)
        losses |= low_level_losses(blurry, targets, wanted, config, share, vae)
    monitors = {"top1": share.of_mean(top1_share(similarities.detach()[:, wanted]))}
    return _with_absent(losses, decoder, step, share, blurry_alone=False), monitors


def outputs_for_contrast(
    decoder: Decoder, step: DrawnStep, config: LossConfig, share: Share
) -> dict[str, Tensor]:
    """Of a share, what `step_losses` wants to know of all trials, by the names it uses."""
    if not (config.contrastive or config.prior):
        blurry = _outputs(decoder.blurry, step, share)
        return {} if blurry.maps is None else {"maps": blurry.maps}
    output = _outputs(decoder, step, share)
    maps = {} if output.low_level_maps is None else {"maps": output.low_level_maps}
    return {"embeddings": output.embeddings, **maps}


def _outputs(ask: Callable[..., Outputs], step: DrawnStep, share: Share) -> Outputs:
    """What the decoder makes of a share."""
    own = [part for part in share.parts(step.mixed.parts) if len(part.betas)]
    return joined([ask(part.betas, part.subject) for part in own])


def _with_absent(
    losses: dict[str, Tensor],
    decoder: Decoder,
    step: DrawnStep,
    share: Share,
    *,
    blurry_alone: bool,
) -> dict[str, Tensor]:
    """The same losses, reaching with gradient 0 the ridge layers of subjects absent in the share.

    So a step trains the same layers in every process, as sharded weights need it.
    """
    path = decoder.low_level_path
    ridges = ([] if blurry_alone and path else [decoder.ridge]) + ([path.ridge] if path else [])
    name, loss = next(iter(losses.items()))
    for part in share.parts(step.mixed.parts):
        if not len(part.betas):
            loss = loss + sum(ridge(part.betas, part.subject).sum() for ridge in ridges)
    return {**losses, name: loss}


def prior_loss(
    prior: DiffusionPrior | PublishedPrior,
    brain_tokens: Float[Tensor, "trials tokens width"],
    step: DrawnStep,
    share: Share,
) -> Float[Tensor, ""]:
    """What a share adds to the prior's mean over its trials of the batch."""
    places = [place for place, row in enumerate(step.prior_rows) if share.first <= row < share.last]
    weight = len(places) / len(step.prior_rows)
    rows, draws = [step.prior_rows[place] for place in places], step.prior_draws
    if not rows:
        # Any trial, counted as nothing: the prior is part of every process' step.
        places, rows = [0], [share.first]
    wanted = step.targets.tokens[step.mixed.wanted[rows]]
    everything = len(rows) == len(brain_tokens)
    own = brain_tokens if everything else brain_tokens[[row - share.first for row in rows]]
    loss = prior.loss_of(own, wanted, draws if weight == 1 else draws.of(places))
    return loss if weight == 1 else weight * loss


def low_level_losses(
    blurry: LowLevelOutput,
    targets: TargetBatch,
    wanted: Int[Tensor, "all_trials"],
    config: LossConfig,
    share: Share,
    vae: VaeTarget | None = None,
) -> dict[str, Tensor]:
    """What a share adds to the weighted losses of latents, of maps and of decoded pictures."""
    own = share.rows(wanted)
    distance = latent_distance(blurry.latents, targets.latents[own])
    losses = {"low_level": config.low_level * share.of_mean(distance)}
    if config.maps and blurry.maps is not None:
        contrast = soft_map_contrast(
            share.among_all("maps", blurry.maps),
            targets.maps[wanted],
            targets.augmented_maps[wanted],
            config.map_temperature,
        )
        losses["maps"] = config.maps * share.of_contrast(contrast)
    if config.of_decoded:
        decoded = decoded_losses(blurry.latents, targets.pictures, own, vae, config)
        losses |= {name: share.of_mean(loss) for name, loss in decoded.items()}
    return losses


def joined(outputs: Sequence[Outputs]) -> Outputs:
    """Outputs of several subjects' trials, one after the other."""
    if len(outputs) == 1:
        return outputs[0]
    columns = zip(*outputs, strict=True)
    return type(outputs[0])(*(None if one[0] is None else torch.cat(one) for one in columns))
