"""Reads what other verbs saved, and refuses what belongs to another run or subject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from mindeye.config import from_mapping
from mindeye.files import holds_something, read_json
from mindeye.reconstruction.picture_folder import Reconstruction, load_reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.types import MetricRow

# What tells a run and one of its subjects from all others, and what the banner needs.
IDENTITY = ("run", "weights", "subject", "simulated")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """manifest.json of a folder of reconstructions."""

    settings: ReconstructionConfig
    generator: str
    about: dict
    """Run, weights, subject, system and banner."""

    @property
    def drawn_by(self) -> str:
        """The generator that drew from tokens, also where another network has drawn over it."""
        return self.about.get("refined", {}).get("drawn_by", self.generator)


@dataclass(frozen=True, kw_only=True)
class SavedScores:
    """retrieval.json or evaluation.json."""

    path: Path
    rows: list[MetricRow]
    content: dict


def require_folder_of(out: Path, name: str, what: str) -> None:
    """Refuses a folder that holds something and not this.

    Args:
        name: of a file that is in each folder of this kind.

    Raises:
        NotADirectoryError: it is a file.
        ValueError: says what it lacks.
    """
    if holds_something(out) and not (out / name).is_file():
        raise ValueError(f"{out} is not empty and holds no {what}. Choose another folder.")


def read_manifest(folder: Path) -> Manifest:
    """How a folder of reconstructions was drawn.

    Raises:
        FileNotFoundError: no manifest.json there.
        ValueError: it is not what `mindeye reconstruct` writes.
    """
    path = folder / "manifest.json"
    advice = f"Draw {folder} again with `mindeye reconstruct`."
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: nothing says whose pictures these are. {advice}"
        )
    content = read_json(path)
    _require_keys(path, content, ("settings", "generator", "about"), advice)
    _require_keys(path, content["about"], (*IDENTITY, "split", "system"), advice)
    return Manifest(
        settings=from_mapping(ReconstructionConfig, content["settings"], str(path)),
        generator=content["generator"],
        about=content["about"],
    )


def read_pictures(folder: Path) -> Reconstruction:
    """The pictures of a finished folder.

    Raises:
        FileNotFoundError: no reconstructions there, or a half-done folder.
        ValueError: the file lacks a part.
    """
    if not folder.exists():
        raise FileNotFoundError(
            f"{folder} does not exist. Draw it with `mindeye reconstruct RUN --out {folder}`."
        )
    try:
        return load_reconstruction(folder)
    except KeyError as error:
        raise ValueError(
            f"{folder / 'reconstructions.safetensors'} lacks `{error.args[0]}`. "
            f"Draw {folder} again with `mindeye reconstruct`."
        ) from error


def read_scores(path: Path, advice: str) -> SavedScores:
    """Rows that `mindeye retrieve` or `mindeye evaluate` saved, with all that stands beside them.

    Raises:
        ValueError: the file is not what these verbs write; `advice` ends the message.
    """
    content = read_json(path)
    _require_keys(path, content, (*IDENTITY, "rows"), advice)
    try:
        rows = [MetricRow(**row) for row in content["rows"]]
    except TypeError as error:
        raise ValueError(f"{path} has rows of another form. {advice}") from error
    return SavedScores(path=path, rows=rows, content=content)


def require_same_run(
    path: Path, about: Mapping[str, Any], run_about: Mapping[str, Any], advice: str
) -> None:
    """Refuses results of another subject, or of other weights; the run's folder may have moved.

    Raises:
        ValueError: says whose they are; `advice` ends the message.
    """
    if about["subject"] != run_about["subject"]:
        raise ValueError(
            f"{path} is of subject {about['subject']}, but subject {run_about['subject']} of "
            f"{run_about['run']} is asked for. {advice}"
        )
    if about["weights"] != run_about["weights"]:
        raise ValueError(
            f"{path} was made with weights {str(about['weights'])[:12]}, but {run_about['run']} "
            f"has {run_about['weights'][:12]}. {advice}"
        )
    # A converted run names no CLIP: two users' commands may have given two.
    clips = [one["networks"]["clip"] for one in (about, run_about) if "given" in one]
    if len(set(clips)) > 1:
        raise ValueError(
            f"{path} was made with the CLIP {clips[0]}, but {clips[1]} is given. {advice}"
        )


def pictures_of(
    folder: Path, image_ids: Int[np.ndarray, "images"], wanted: Int[np.ndarray, "chosen"]
) -> UInt8[np.ndarray, "chosen height width 3"]:
    """Some pictures of a folder, which must hold exactly `image_ids`, in whatever order.

    Raises:
        ValueError: the folder holds other images.
    """
    other = read_pictures(folder)
    differing = np.setxor1d(other.image_ids, image_ids)
    if len(differing):
        raise ValueError(
            f"{folder} holds {len(other.image_ids)} images, but {len(image_ids)} stand beside "
            f"them, and {len(differing)} are only in one of both, first id {differing[0]}. "
            "Draw the same images for every column."
        )
    row_of = {image_id: row for row, image_id in enumerate(other.image_ids.tolist())}
    return other.pictures[[row_of[image_id] for image_id in wanted.tolist()]]


def found_images(
    scores: SavedScores, wanted: Int[np.ndarray, "images"], advice: str
) -> Int[np.ndarray, "images found"]:
    """Ids of the images that retrieval found for each of some images, best first.

    Raises:
        ValueError: the file lacks the list, or an image; `advice` ends the message.
    """
    _require_keys(scores.path, scores.content, ("image_ids", "found_ids"), advice)
    found = dict(zip(scores.content["image_ids"], scores.content["found_ids"]))
    absent = [image_id for image_id in wanted.tolist() if image_id not in found]
    if absent:
        raise ValueError(
            f"{scores.path} lacks {len(absent)} of {len(wanted)} images, first id {absent[0]}. "
            f"{advice}"
        )
    return np.array([found[image_id] for image_id in wanted.tolist()])


def _require_keys(path: Path, content: Any, keys: Sequence[str], advice: str) -> None:
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise ValueError(f"{path} lacks {', '.join(absent)}. {advice}")
