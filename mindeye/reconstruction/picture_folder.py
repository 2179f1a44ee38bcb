"""A folder of reconstructions: whose it is, how it is finished, and how it is read."""

import json
import shutil
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
    write_text,
)
from mindeye.metrics.pixels import resize
from mindeye.pictures import as_images, as_pictures, save_png
from mindeye.reconstruction.candidate_noise import candidate_seed
from mindeye.reconstruction.selection import best_candidates
from mindeye.reconstruction.settings import ReconstructionConfig

ARRAYS = "reconstructions.safetensors"
# Pictures that are no candidates are kept beside them.
BLENDED = "blended"


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
    blurry: UInt8[np.ndarray, "images rows columns 3"] | None


def is_finished(out: Path) -> bool:
    """Whether all pictures are drawn."""
    return (out / ARRAYS).exists()


def load_reconstruction(out: Path) -> Reconstruction:
    """Reads a finished folder.

    Raises:
        FileNotFoundError: no reconstructions there, or a half-done folder.
    """
    path = out / ARRAYS
    if not path.is_file():
        state = "holds a half-done reconstruction" if (out / "parts").exists() else "holds none"
        raise FileNotFoundError(
            f"{out} {state}: reconstructions.safetensors is missing. "
            "Run `mindeye reconstruct` with this folder; it goes on where it stopped."
        )
    arrays = load_arrays(path)
    pictures = arrays.get(BLENDED)
    return Reconstruction(
        image_ids=arrays["image_ids"],
        pictures=chosen_candidates(arrays) if pictures is None else pictures,
        candidates=arrays["candidates"],
        scores=arrays["scores"],
        blurry=arrays.get("blurry"),
    )


def begin_folder(out: Path, identity: Mapping[str, Any]) -> None:
    """Writes manifest.json, or checks that it says the same.

    Raises:
        ValueError: the folder holds reconstructions of other settings or images, or other things.
        OSError: the disk is too full.
    """
    manifest = out / "manifest.json"
    if manifest.exists():
        found = differences(_comparable(identity), _comparable(read_json(manifest)))
        if found:
            raise ValueError(
                f"{out} holds other reconstructions ({'; '.join(found[:3])[:300]}). "
                "Choose another folder, or delete this one."
            )
        return
    if holds_something(out):
        raise ValueError(f"{out} is not empty and holds no reconstructions. Choose another folder.")
    num_pictures = len(identity["image_ids"]) * identity["settings"]["candidates"]
    require_free_space(out.parent, num_pictures * 250_000, "The reconstruction")
    write_json(manifest, identity)


def finish_folder(out: Path, config: ReconstructionConfig) -> Reconstruction:
    """Joins the parts into one file, and writes PNGs and one JSON line a candidate."""
    parts = [load_arrays(path) for path in sorted((out / "parts").glob("*.safetensors"))]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pictures = chosen_candidates(arrays)
    if "blended_with_blurry" in config.quirks and "blurry" in arrays:
        pictures = arrays[BLENDED] = blended(pictures, arrays["blurry"])
    for row, image_id in enumerate(arrays["image_ids"].tolist()):
        save_png(pictures[row], out / "pictures" / f"{image_id:05d}.png")
        if "blurry" in arrays:
            save_png(arrays["blurry"][row], out / "blurry" / f"{image_id:05d}.png")
    _write_choices(out / "choices.jsonl", arrays, config.seed)
    save_arrays(out / ARRAYS, arrays)
    shutil.rmtree(out / "parts")
    return load_reconstruction(out)


def chosen_candidates(
    arrays: Mapping[str, np.ndarray],
) -> UInt8[np.ndarray, "images height width 3"]:
    """Of each image, the candidate with the highest score."""
    chosen = best_candidates(torch.from_numpy(arrays["scores"])).numpy()
    return arrays["candidates"][np.arange(len(chosen)), chosen]


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
    """A run may move: its weights, not its path, tell it from others.

    What an older folder does not tell is as it is by default.
    """
    about = {name: value for name, value in identity["about"].items() if name != "run"}
    settings = {**to_mapping(ReconstructionConfig()), **identity["settings"]}
    return {**identity, "settings": settings, "about": {"quirks": [], **about}}


def _write_choices(path: Path, arrays: Mapping[str, np.ndarray], seed: int) -> None:
    chosen = best_candidates(torch.from_numpy(arrays["scores"])).tolist()
    lines = [
        json.dumps(
            {
                "image_id": image_id,
                "candidate": candidate,
                "seed": candidate_seed(seed, image_id, candidate),
                "score": score,
                "chosen": candidate == chosen[row],
            }
        )
        for row, image_id in enumerate(arrays["image_ids"].tolist())
        for candidate, score in enumerate(arrays["scores"][row].tolist())
    ]
    write_text(path, "\n".join(lines) + "\n")
