"""Which scans are drawn, and with which settings: refused before anything is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import new_decoder
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.prior_sampler import num_noises, sampler_of
from mindeye.reconstruction.settings import (
    DRAWING_QUIRKS,
    FEWEST_THAT_AGREE,
    ReconstructionConfig,
)
from mindeye.run import RunFolder
from mindeye.types import RepeatBatch
from mindeye.verbs.switched_on import switched_on


@dataclass(frozen=True, kw_only=True)
class ScansAsked:
    """Which scans of a run's subject are drawn."""

    subject: int | None = None
    """None: the run's first."""
    data: Path | None = None
    """The prepared folder; None: where the training found it."""
    split: str = "test"
    num_images: int | None = None
    """None: all."""
    given: GivenNetworks = NONE_GIVEN
    """What a converted run does not name; with it, `data` says whose scans are meant."""


TEST_SCANS = ScansAsked()


def scans_of(
    prepared: PreparedSubject, split: str, num_images: int | None, seed: int
) -> RepeatBatch:
    """All images of a split, or some drawn at random by seed; ascending image ids.

    Settings are chosen on `validation`, so that `test` judges what it has not helped to choose.

    Raises:
        ValueError: more images asked for than there are.
    """
    scans = prepared.repeats(split)
    total = len(scans.image_ids)
    require_images(prepared.manifest, split, total)
    if num_images is None:
        return scans
    count = count_of(num_images, total)
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(total)[:count]))
    return RepeatBatch(
        subject=scans.subject,
        betas=scans.betas[rows],
        present=scans.present[rows],
        image_ids=scans.image_ids[rows],
    )


def settled_config(
    run_path: Path,
    config: ReconstructionConfig,
    compat: str | None,
    quirk_settings: Sequence[str],
) -> ReconstructionConfig:
    """The configuration with its quirks, refused before anything is opened or written."""
    folder = RunFolder(path=run_path)
    on = switched_on(folder, compat, quirk_settings, DRAWING_QUIRKS)
    quirks = tuple(name for name in DRAWING_QUIRKS if name in (*on, *config.quirks))
    config = replace(config, quirks=quirks)
    require_consensus(config)
    folder.require_finished()
    with torch.device("meta"):
        prior = new_decoder(run_path).prior
    num_noises(sampler_of(config), config.prior_steps, prior.config.train_times)
    return config


def require_consensus(config: ReconstructionConfig) -> None:
    """Refuses to look for the candidate that the others resemble most where there are no others.

    Two resemble each other alike, so that rounding would choose.
    """
    if config.selection == "consensus" and config.candidates < FEWEST_THAT_AGREE:
        raise ValueError(
            f"Selection `consensus` finds nothing among {config.candidates} candidate(s): the one "
            f"that the others resemble most takes {FEWEST_THAT_AGREE}. Pass --candidates "
            f"{FEWEST_THAT_AGREE} or more, or another --selection."
        )


def require_images(manifest: Mapping[str, Any], split: str, total: int) -> None:
    """Refuses a split that data which only test do not have."""
    if not total:
        raise ValueError(
            f"{manifest['protocol']} has no {split} images: it only tests. Leave --split out."
        )


def count_of(num_images: int | None, total: int) -> int:
    """How many of the test images: those asked for, or all."""
    if num_images is None:
        return total
    if not 2 <= num_images <= total:
        raise ValueError(
            f"{num_images} test images asked for, but this subject has {total}. "
            f"Choose from 2 to {total}."
        )
    return num_images
