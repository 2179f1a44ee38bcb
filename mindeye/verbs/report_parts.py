"""The parts of a report that other verbs saved, found and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindeye.files import read_json
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.picture_folder import Reconstruction, require_whole_folder
from mindeye.verbs.retrieval.retrieval_sources import BENCH
from mindeye.verbs.saved_results import (
    SavedScores,
    read_manifest,
    read_pictures,
    read_scores,
    require_same_run,
)


@dataclass(frozen=True, kw_only=True)
class ReportParts:
    """Where the parts of a report lie, and how to draw its random images."""

    run: Path
    reconstructions: Path | None = None
    """None takes RUN/reconstructions, and a page without pictures where it is not there."""
    seed: int = 0
    subject: int | None = None
    data: Path | None = None
    given: GivenNetworks = NONE_GIVEN
    """CLIP and VAE of a converted run."""


@dataclass(frozen=True, kw_only=True)
class SavedParts:
    """What other verbs left for a report; None where they have not run."""

    folder: Path
    """Of the pictures, where there are any."""
    retrieval: SavedScores | None
    pictures: Reconstruction | None
    evaluation: SavedScores | None
    benchmark: Mapping[str, Any] | None
    """Of this subject, from RUN/bench."""
    missing: tuple[str, ...]
    """A sentence for each absent part, with the command that makes it."""


def saved_parts(parts: ReportParts, about: Mapping[str, Any]) -> SavedParts:
    """Finds what other verbs saved, and checks that it is of this run and subject.

    Raises:
        FileNotFoundError: no reconstructions at the place that was given.
        ValueError: something is of another run or subject.
    """
    chosen, missing = _options_of(parts), []
    retrieve = f"mindeye retrieve {parts.run}{chosen}"
    retrieval = _checked_scores(parts.run / "retrieval.json", about, f"Run `{retrieve}` again.")
    benchmark = _benchmark_of(parts.run / BENCH / "retrieval.json", about)
    if retrieval is None:
        missing.append(f"There is no retrieval yet: run `{retrieve}`.")
    folder = parts.reconstructions or parts.run / "reconstructions"
    require_whole_folder(folder)
    if parts.reconstructions is None and not (folder / "reconstructions.safetensors").exists():
        draw = f"mindeye reconstruct {parts.run} --out {folder}{chosen}"
        if parts.given.vae is not None:
            draw += f" --vae {parts.given.vae}"
        missing.append(f"There are no reconstructions yet: run `{draw}`.")
        return SavedParts(
            folder=folder,
            retrieval=retrieval,
            pictures=None,
            evaluation=None,
            benchmark=benchmark,
            missing=tuple(missing),
        )
    pictures = read_pictures(folder)
    advice = "Give the folder of this run and subject with --reconstructions."
    drawn = read_manifest(folder).about
    require_same_run(folder, drawn, about, advice)
    if "trained_by" in drawn:
        raise ValueError(
            f"{folder} holds images of {drawn['protocol']}, but a report shows the run's own test "
            "images. Give a folder of these with --reconstructions."
        )
    if drawn["split"] != "test":
        raise ValueError(
            f"{folder} holds {drawn['split']} images, but a report shows test images. "
            "Give a folder of test images with --reconstructions."
        )
    evaluate = f"mindeye evaluate {folder}"
    evaluation = _checked_scores(folder / "evaluation.json", about, f"Run `{evaluate}` again.")
    if evaluation is None:
        missing.append(f"The reconstructions have no scores yet: run `{evaluate}`.")
    return SavedParts(
        folder=folder,
        retrieval=retrieval,
        pictures=pictures,
        evaluation=evaluation,
        benchmark=benchmark,
        missing=tuple(missing),
    )


def _options_of(parts: ReportParts) -> str:
    """What the verbs that make a part must be given too."""
    chosen = "" if parts.subject is None else f" --subject {parts.subject}"
    if parts.given == NONE_GIVEN:
        return chosen
    return f"{chosen} --data {parts.data} --clip {parts.given.clip}"


def _checked_scores(path: Path, about: Mapping[str, Any], advice: str) -> SavedScores | None:
    if not path.exists():
        return None
    scores = read_scores(path, advice)
    require_same_run(path, scores.content, about, advice)
    return scores


def _benchmark_of(path: Path, about: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """This subject's part of a run's own benchmark, which may not hold it."""
    if not path.exists():
        return None
    advice = f"Run `mindeye bench retrieval {path.parent.parent}` again."
    content = read_json(path)
    if not isinstance(content, dict) or content.get("benchmark") != "retrieval":
        raise ValueError(f"{path} is no retrieval benchmark. {advice}")
    for one in content["subjects"]:
        if one["subject"] == about["subject"]:
            require_same_run(path, one["about"], about, advice)
            return one
    return None
