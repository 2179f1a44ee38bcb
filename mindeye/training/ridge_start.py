"""Ridge layers of new subjects that begin with a closed-form solution instead of random weights.

A ridge layer maps a subject's voxels to the latent that all subjects share. Which latent belongs
to a picture is known once other subjects have shaped it, but in NSD no two subjects train on the
same pictures. So two ridge regressions follow each other: from pictures that the subjects of the
run to start from have seen (principal components of their tokens) to the latents that their scans
have there, which tells the latent of any picture; and from the new subject's scans to the latents
of what it has seen. All rests on training images alone, penalties on leave-one-out errors.

Without a run to start from, the latent's first meaning is free: the components themselves, turned
at random into all of its dimensions, alike for all subjects.

A shared latent with one map a subject is the shared response model (Chen et al. 2015, NeurIPS);
there all see the same pictures, here likeness of tokens stands between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mindeye.data.batches import PreparedSubject
from mindeye.data.mapped_trials import MappedRepeats
from mindeye.run import RunFolder, read_weights, write_weights
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.ridge_baseline import fitted_ridge
from mindeye.training.subjects import Material, Subject, open_subject
from mindeye.training.token_likeness import Pictures, component_scores

WEIGHTS_FILE = "ridge_start.safetensors"
NUM_KNOWN_IMAGES = 4096
"""From which the latent of a picture is learned, of each known subject as many."""
NUM_COMPONENTS = 512
PENALTIES = tuple(10.0 ** np.arange(-4.0, 2.5, 0.5))
"""Per mean squared length of a picture's scores."""
SCANS_IN_MEMORY = 256
"""Images whose single trials are in memory at a time."""


def new_subjects(subjects: Sequence[int], start: Mapping[str, Tensor]) -> list[int]:
    """Those without a ridge layer in what a training starts from."""
    return [one for one in subjects if f"ridge.layers.{one}.weight" not in start]


def require_ridge_start(
    config: ExperimentConfig,
    prepared: Sequence[PreparedSubject],
    start: Mapping[str, Tensor],
    run: RunFolder | None = None,
) -> None:
    """Refuses a closed-form start that cannot be made, unless the run has it already.

    Raises:
        ValueError: nobody is new, or the scans that the start was trained on are gone.
    """
    if config.ridge_start == "random" or (run and (run.path / WEIGHTS_FILE).exists()):
        return
    if not new_subjects([one.subject for one in prepared], start):
        raise ValueError(
            f"`ridge_start` is closed-form, but {config.start_from} has ridge layers of all "
            "subjects of `data`. Leave ridge_start out."
        )
    if config.start_from:
        known_scans(config.start_from)


def known_scans(path: Path) -> list[PreparedSubject]:
    """The prepared folders that a run was trained on.

    Raises:
        ValueError: it names none, one is gone, or one holds other data now.
    """
    about = RunFolder(path=path).provenance()
    found = []
    for place, manifest in zip(about.get("paths", {}).get("data", ()), about["data"]):
        try:
            prepared = PreparedSubject(place)
        except (FileNotFoundError, ValueError):
            prepared = None
        if prepared is None or prepared.manifest["files"] != manifest["files"]:
            raise ValueError(
                f"`ridge_start` is closed-form, which needs the scans that {path} was trained on, "
                f"but {place} does not hold them any more. Put them back, or choose random."
            )
        found.append(prepared)
    if not found:
        raise ValueError(
            f"`ridge_start` is closed-form, which needs the scans that {path} was trained on, but "
            "that run was converted and names none. Choose random."
        )
    return found


def begun_ridges(
    config: ExperimentConfig, run: RunFolder, material: Material, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weights of new subjects' ridge layers; {} where they begin at random.

    Solved once for a run and kept there: a training that goes on needs no other subject's scans.
    """
    if config.ridge_start == "random":
        return {}
    path = run.path / WEIGHTS_FILE
    if not path.exists():
        write_weights(path, closed_form_ridges(config, material, start))
    return read_weights(path)


def closed_form_ridges(
    config: ExperimentConfig, material: Material, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weights of the ridge layers of all subjects that the start does not know."""
    aim = known_latents(config.start_from, material) if config.start_from else None
    aim = aim or turned_components(material, config.decoder.backbone.width, config.seed)
    chosen: dict[str, Tensor] = {}
    for number in new_subjects(list(material.subjects), start):
        subject = material.subjects[number]
        wanted = aim.of(Pictures(subject.targets, subject.train.image_ids))
        scans = mean_scans(subject.train, torch.arange(len(wanted))).numpy()
        ridge = fitted_ridge(scans, wanted.astype(np.float32))
        gain = 1.0 if aim.spread is None else aim.spread / ridge.predict(scans).std(0).mean()
        chosen[f"ridge.layers.{number}.weight"] = torch.from_numpy(gain * ridge.coef_).float()
        chosen[f"ridge.layers.{number}.bias"] = torch.from_numpy(gain * ridge.intercept_).float()
    return chosen


class KnownLatents(NamedTuple):
    """Latents that the scans of known subjects have, for the pictures that they have seen."""

    seen: list[Pictures]
    latents: Float[Tensor, "known latent"]
    spread: None = None

    def of(self, pictures: Pictures) -> Float[np.ndarray, "images latent"]:
        """Latents of other pictures, by ridge regression from their components."""
        known, others = component_scores(self.seen, [pictures], NUM_COMPONENTS)
        length = np.square(known).sum(1).mean()
        penalties = tuple(length * share for share in PENALTIES)
        return fitted_ridge(known, self.latents.double().numpy(), penalties).predict(others)


class TurnedComponents(NamedTuple):
    """Principal components of all pictures, turned into the latent at random."""

    seen: list[Pictures]
    directions: Float[Tensor, "components latent"]
    spread: float = 3**-0.5
    """Standard deviation over trials of what torch's random linear layer makes of z-scores."""

    def of(self, pictures: Pictures) -> Float[np.ndarray, "images latent"]:
        _, scores = component_scores(self.seen, [pictures], len(self.directions))
        return scores @ self.directions[: scores.shape[1]].double().numpy()


def known_latents(path: Path, material: Material) -> KnownLatents:
    """What the run at `path` has made of the scans that it was trained on."""
    # Of their pictures the tokens count alone: no maps and no views are embedded for that.
    networks = replace(material.networks, teacher=None, augmentation=None)
    known = [open_subject(one, networks) for one in known_scans(path)]
    weights = RunFolder(path=path).weights()
    seen, latents = _evenly(known), []
    for subject, pictures in zip(known, seen, strict=True):
        rows = torch.searchsorted(subject.train.image_ids, pictures.image_ids)
        layer = f"ridge.layers.{subject.number}."
        weight, bias = (weights[f"{layer}{part}"].float() for part in ("weight", "bias"))
        latents.append(functional.linear(mean_scans(subject.train, rows), weight, bias))
    return KnownLatents(seen, torch.cat(latents))


def turned_components(material: Material, width: int, seed: int) -> TurnedComponents:
    """The same directions for all subjects, so that alike pictures lie alike in each."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.empty(min(NUM_COMPONENTS, width), width)
    nn.init.orthogonal_(directions, generator=generator)
    return TurnedComponents(_evenly(list(material.subjects.values())), directions)


def _evenly(subjects: Sequence[Subject]) -> list[Pictures]:
    """At most `NUM_KNOWN_IMAGES` training pictures, of each subject as many."""
    count = NUM_KNOWN_IMAGES // len(subjects)
    chosen = []
    for one in subjects:
        ids = one.train.image_ids
        rows = torch.linspace(0, len(ids) - 1, min(len(ids), count)).long()
        chosen.append(Pictures(one.targets, ids[rows]))
    return chosen


def mean_scans(
    repeats: MappedRepeats, rows: Int[Tensor, "images"]
) -> Float[Tensor, "images voxels"]:
    """Means over the repeats of some images, read in blocks."""
    blocks = rows.split(SCANS_IN_MEMORY)
    return torch.cat([repeats.take(block).mean() for block in blocks])
