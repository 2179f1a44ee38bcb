"""What `mindeye evaluate` adds where it is asked: brain correlation, captions, FID."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from mindeye.data.batches import MANIFEST, PreparedSubject
from mindeye.metrics.protocols import MetricProtocol
from mindeye.reconstruction.picture_source import Pictures
from mindeye.reconstruction.scoring import derangement, score_rows
from mindeye.targets.metric_networks.network import MetricNetwork, PairNetwork
from mindeye.types import MetricRow
from mindeye.verbs.evaluation.brain_part import SHOWN, MeasuredBrain, brain_part, measured_brain
from mindeye.verbs.evaluation.caption_part import MatchedCaptions, caption_part, matched_captions
from mindeye.verbs.evaluation.set_part import frechet_part

Judges = Mapping[str, MetricNetwork | PairNetwork]
PerImage = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class FurtherAsked:
    """What the user wants beyond the metrics of pictures."""

    brain: bool = False
    captions: Path | None = None
    """Decoded captions."""
    captions_shown: Path | None = None
    """Those that people wrote; None takes those of the prepared folder."""


@dataclass(frozen=True, kw_only=True)
class FurtherScores:
    """What comes beside the metrics of pictures."""

    per_image: PerImage = field(default_factory=dict)
    rows: list[MetricRow] = field(default_factory=list)
    judges: dict[str, str] = field(default_factory=dict)
    """What has to be equal where two systems are compared."""
    about: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def joined_to(self, per_image: PerImage) -> PerImage:
        """Values of both, by system."""
        systems = {**per_image, **self.per_image}
        return {
            system: {**per_image.get(system, {}), **self.per_image.get(system, {})}
            for system in systems
        }


@dataclass(frozen=True, kw_only=True)
class Further:
    """What was asked, read and checked before anything slow begins."""

    brain: MeasuredBrain | None = None
    captions: MatchedCaptions | None = None
    floor: str
    """How pictures are called that were dealt to other images."""

    def scores(
        self,
        pictures: Mapping[str, Pictures],
        shown: Pictures,
        judges: Judges,
        protocol: MetricProtocol,
        seed: int,
    ) -> FurtherScores:
        """
        Args:
            pictures: the system first, then its floor.
            seed: numbers of other metrics do not move with what is added here.
        """
        rng = np.random.default_rng([seed, 1])
        system = next(iter(pictures))
        rows, notes = frechet_part(system, pictures[system], shown, judges, protocol, rng)
        per_image: PerImage = {}
        identities, about = {}, {}
        if self.brain is not None:
            seen = {**pictures, SHOWN: shown}
            per_image, identities["encoding model"] = brain_part(self.brain, seen, judges, protocol)
            about["brain"] = {
                "voxels": {name: int(mask.sum()) for name, mask in self.brain.regions.items()},
                "learned_from": str(self.brain.training.path.resolve()),
            }
            notes += self.brain.notes
        if self.captions is not None:
            ours, dealt, absent = caption_part(self.captions, derangement(len(shown), rng))
            per_image = FurtherScores(per_image={system: ours, self.floor: dealt}).joined_to(
                per_image
            )
            about["captions"] = dict(self.captions.about)
            notes += [absent] if absent else []
        for name, scores in per_image.items():
            rows += score_rows(name, scores, rng)
        return FurtherScores(
            per_image=per_image, rows=rows, judges=identities, about=about, notes=notes
        )


def opened_further(
    asked: FurtherAsked,
    image_ids: Int[np.ndarray, "images"],
    floor: str,
    tested: PreparedSubject | None,
    training: PreparedSubject | None,
) -> Further:
    """Reads and checks what was asked.

    Args:
        tested: the prepared folder of the images; None where there is none.
        training: where an encoding model may be learned.

    Raises:
        FileNotFoundError: no such file of captions.
        LookupError: images that are not in a file, or not in the test split.
        ValueError: no prepared folder, no captions in it, or files of another form.
    """
    brain = captions = None
    if asked.brain:
        if tested is None or training is None:
            raise ValueError(
                "--brain needs the measured betas. Give the subject's prepared folder with --data."
            )
        brain = measured_brain(tested, training, image_ids)
    if asked.captions is not None:
        shown = asked.captions_shown or _captions_of(tested)
        captions = matched_captions(asked.captions, shown, image_ids)
    return Further(brain=brain, captions=captions, floor=floor)


def prepared_at(*places: Path | None) -> PreparedSubject | None:
    """The first of some places that is a prepared folder."""
    for place in places:
        if place is not None and (place / MANIFEST).is_file() and (place / "images.npy").is_file():
            return PreparedSubject(place)
    return None


def require_subject(prepared: PreparedSubject, subject: int | None) -> None:
    """Refuses betas of another person than the one whose scans were decoded.

    Raises:
        ValueError: names both, or says that nobody is named.
    """
    if subject != prepared.subject:
        found = "of nobody known" if subject is None else f"of subject {subject}"
        raise ValueError(
            f"{prepared.path} has the betas of subject {prepared.subject}, but the pictures are "
            f"{found}. Say whose they are with --subject, or give that subject's folder."
        )


def _captions_of(tested: PreparedSubject | None) -> Path:
    path = None if tested is None else tested.path / "captions.json"
    if path is None or not path.is_file():
        where = (
            "No prepared folder is known" if tested is None else f"{tested.path} has no captions"
        )
        raise ValueError(
            f"{where} that decoded captions could be compared with. Give those of the shown "
            "images with --captions-shown."
        )
    return path
