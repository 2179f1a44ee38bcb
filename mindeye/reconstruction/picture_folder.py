"""A folder of reconstructions: whose it is, how it is finished, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from mindeye.config import differences, to_mapping
from mindeye.disk import require_free_space
from mindeye.files import (
    holds_something,
    load_arrays,
    read_json,
    save_arrays,
    write_json,
)
from mindeye.metrics.pixels import resize
from mindeye.pictures import as_images, as_pictures, save_png
from mindeye.reconstruction.choices import choices_of, write_choices
from mindeye.reconstruction.joined_arrays import join_arrays, mapped_arrays
from mindeye.reconstruction.picture_parts import PARTS, drop_parts, part_path, state_of
from mindeye.reconstruction.selection import best_candidates
from mindeye.reconstruction.settings import ReconstructionConfig

MANIFEST = "manifest.json"
ARRAYS = "reconstructions.safetensors"
# Pictures that are no candidates are kept beside them.
BLENDED = "blended"
# Candidates and what is kept of them can be more than memory holds.
LARGE = ("candidates", "image_tokens", "brain_tokens")


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Pictures of some images with how each was chosen; all uint8 RGB, channels last.

    A picture is the chosen candidate; with `blended_with_blurry`, a quarter of it is the blurry
    one, as far as the decoder gives one.
    """

    image_ids: Int[np.ndarray, "images"]
    pictures: UInt8[np.ndarray, "images height width 3"]
    candidates: UInt8[np.ndarray, "images candidates height width 3"]
    scores: Float[np.ndarray, "images candidates"]
    """Cosine of each candidate's CLIP tokens with the contrastive head's embedding."""
    chosen: Int[np.ndarray, "images"]
    """Which candidate is the picture."""
    blurry: UInt8[np.ndarray, "images rows columns 3"] | None
    spread: Float[np.ndarray, "images"] | None
    """See `spreads`; None for a single candidate, and for folders that are older than it."""
    image_tokens: Float[np.ndarray, "images samples tokens token_width"] | None
    """Of the prior, float16; None for folders that are older."""

    @property
    def chosen_scores(self) -> Float[np.ndarray, "images"]:
        """The score of each picture."""
        return self.scores[np.arange(len(self.chosen)), self.chosen]


def is_finished(out: Path) -> bool:
    """Whether all pictures are drawn."""
    return (out / ARRAYS).exists()


def load_reconstruction(out: Path) -> Reconstruction:
    """Reads a finished folder.

    Candidates and their tokens are read from the disk when they are looked at.

    Raises:
        FileNotFoundError: no reconstructions there, or a half-done folder.
        ValueError: a damaged file.
    """
    path = out / ARRAYS
    require_whole_folder(out)
    if not path.is_file():
        raise FileNotFoundError(
            f"{out} holds no reconstructions: {ARRAYS} is missing. "
            "Draw them with `mindeye reconstruct`."
        )
    arrays = mapped_arrays(path)
    arrays |= {name: np.array(one) for name, one in arrays.items() if name not in LARGE}
    pictures = arrays.get(BLENDED)
    return Reconstruction(
        image_ids=arrays["image_ids"],
        pictures=chosen_candidates(arrays) if pictures is None else pictures,
        candidates=arrays["candidates"],
        scores=arrays["scores"],
        chosen=chosen_rows(arrays),
        blurry=arrays.get("blurry"),
        spread=arrays.get("spread"),
        image_tokens=arrays.get("image_tokens"),
    )


def require_whole_folder(out: Path) -> None:
    """Refuses a folder that is half done; others are none of its business.

    Raises:
        FileNotFoundError: says how many images are drawn, of how many.
    """
    if is_finished(out) or not (out / PARTS).exists() or not (out / MANIFEST).is_file():
        return
    total = len(read_json(out / MANIFEST).get("image_ids", ()))
    raise FileNotFoundError(
        f"{state_of(out, total)} Run the command that draws it again; it goes on where it stopped."
    )


def begin_folder(out: Path, identity: Mapping[str, Any], num_bytes: int | None = None) -> None:
    """Writes manifest.json, or checks that it says the same; given networks may have moved.

    Args:
        num_bytes: that the disk must have room for; None: for small pictures.

    Raises:
        ValueError: the folder holds reconstructions of other settings or images, or other things.
        OSError: the disk is too full.
    """
    manifest = out / MANIFEST
    if manifest.exists():
        saved = read_json(manifest)
        if not isinstance(saved, dict) or not {"settings", "about"} <= saved.keys():
            raise ValueError(
                f"{out} holds something else than reconstructions ({MANIFEST} is not of theirs). "
                "Choose another folder."
            )
        found = differences(_comparable(identity), _comparable(saved))
        if found:
            raise ValueError(
                f"{out} holds other reconstructions ({'; '.join(found[:3])[:300]}). "
                "Choose another folder, or delete this one."
            )
        given = identity["about"].get("given")
        if given != saved["about"].get("given"):
            write_json(manifest, {**saved, "about": {**saved["about"], "given": given}})
        return
    if holds_something(out):
        raise ValueError(f"{out} is not empty and holds no reconstructions. Choose another folder.")
    num_pictures = len(identity["image_ids"]) * identity["settings"]["candidates"]
    needed = num_pictures * 250_000 if num_bytes is None else num_bytes
    require_free_space(out.parent, needed, "The reconstruction")
    write_json(manifest, identity)


def finish_folder(out: Path, config: ReconstructionConfig, generator: str) -> Reconstruction:
    """Joins the parts into one file, and writes PNGs and one JSON line a candidate.

    Args:
        generator: its identity.
    """
    image_ids = read_json(out / MANIFEST)["image_ids"]
    parts = [part_path(out, image_id) for image_id in image_ids]
    choices = []
    for image_id, path in zip(image_ids, parts, strict=True):
        arrays = load_arrays(path)
        (picture,) = chosen_candidates(arrays)
        if "blended_with_blurry" in config.quirks and "blurry" in arrays:
            if BLENDED not in arrays:
                arrays[BLENDED] = blended(picture[None], arrays["blurry"])
                save_arrays(path, arrays)
            (picture,) = arrays[BLENDED]
        save_png(picture, out / "pictures" / f"{image_id:05d}.png")
        if "blurry" in arrays:
            save_png(arrays["blurry"][0], out / "blurry" / f"{image_id:05d}.png")
        choices += choices_of(arrays, config, generator)
    write_choices(out, choices)
    join_arrays(parts, out / ARRAYS, without=("seconds",))
    drop_parts(out)
    return load_reconstruction(out)


def chosen_rows(arrays: Mapping[str, np.ndarray]) -> Int[np.ndarray, "images"]:
    """Of each image, which candidate is its picture; in older folders that of the best score."""
    if "chosen" in arrays:
        return arrays["chosen"]
    return best_candidates(torch.from_numpy(arrays["scores"])).numpy()


def chosen_candidates(
    arrays: Mapping[str, np.ndarray],
) -> UInt8[np.ndarray, "images height width 3"]:
    """Of each image, the candidate that was chosen."""
    chosen = chosen_rows(arrays)
    return np.asarray(arrays["candidates"][np.arange(len(chosen)), chosen])


def blended(
    pictures: UInt8[np.ndarray, "images height width 3"],
    blurry: UInt8[np.ndarray, "images rows columns 3"],
) -> UInt8[np.ndarray, "images height width 3"]:
    """A quarter of each picture is the blurry one, resized where it has another size.

    Source: MindEye2 (arXiv:2403.11207), final step of its released inference code.
    """
    beneath = resize(as_images(blurry), pictures.shape[1], antialias=True)
    return as_pictures(0.75 * as_images(pictures) + 0.25 * beneath)


def _comparable(identity: Mapping[str, Any]) -> dict[str, Any]:
    """A run may move: its weights, not its path, tell it from others; so may networks given to it.

    What an older folder does not tell is as it is by default.
    """
    about = {
        name: value for name, value in identity["about"].items() if name not in ("run", "given")
    }
    settings = {**to_mapping(ReconstructionConfig()), **identity["settings"]}
    return {**identity, "settings": settings, "about": {"quirks": [], **about}}
