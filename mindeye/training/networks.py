"""The frozen networks of a training: what the decoder learns to predict."""

from dataclasses import dataclass, replace

import torch

from mindeye.targets.clip import ClipTarget, load_clip
from mindeye.targets.feature_maps import MapTarget, load_maps
from mindeye.targets.vae import VaeTarget, load_vae
from mindeye.training.augmentation import AugmentationConfig
from mindeye.training.experiment import ExperimentConfig


@dataclass(frozen=True, kw_only=True)
class FrozenNetworks:
    clip: ClipTarget
    vae: VaeTarget
    teacher: MapTarget | None
    augmentation: AugmentationConfig | None
    """Of the pictures that CLIP sees."""
    map_augmentation: AugmentationConfig
    """Of the second view that the teacher sees."""
    num_views: int | None
    """How many augmented views of each picture are embedded once; None: a new one in every step."""
    view_seed: int
    augments_validation: bool

    @property
    def identities(self) -> dict[str, str]:
        """Names and weights hashes, by role."""
        return {
            role: network.identity
            for role, network in (("clip", self.clip), ("vae", self.vae), ("teacher", self.teacher))
            if network
        }


def open_networks(config: ExperimentConfig, device: torch.device | str = "cpu") -> FrozenNetworks:
    """Loads them, as the configuration's quirks have them.

    Raises:
        FileNotFoundError: a folder lacks a file.
        ValueError: the teacher's maps are not those of the low-level network.
    """
    quirks = config.quirks.resolved()
    clip = load_clip(
        config.clip,
        device,
        washed_out=bool(quirks.washed_out_targets),
        antialias=not quirks.aliased_resizing,
        form=config.clip_tokens,
    )
    augmentation = config.augmentation
    if augmentation and not quirks.flipped_targets:
        augmentation = replace(augmentation, flip_chance=0.0)
    teacher = load_maps(config.teacher, device) if config.teacher else None
    if teacher:
        _require_maps(config, teacher)
    return FrozenNetworks(
        clip=clip,
        vae=load_vae(config.vae, device),
        teacher=teacher,
        augmentation=augmentation,
        map_augmentation=config.map_augmentation,
        num_views=config.augmented_views,
        view_seed=config.view_seed,
        augments_validation=bool(augmentation and quirks.augmented_validation),
    )


def _require_maps(config: ExperimentConfig, teacher: MapTarget) -> None:
    low_level = config.decoder.low_level
    ours = (low_level.base_side**2, low_level.map_width)
    if ours != teacher.map_shape:
        places, width = teacher.map_shape
        raise ValueError(
            f"The low-level network makes maps of {ours[0]} places x {ours[1]}, but "
            f"{config.teacher} has {places} x {width}. Set low_level.base_side to "
            f"{int(places**0.5)} and low_level.map_width to {width}, or give another teacher."
        )
