"""Decoded tokens -> candidates -> selection -> pictures on disk: models meet generators here."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mindeye.config import differences
from mindeye.disk import require_free_space
from mindeye.files import (
    holds_something,
    load_arrays,
    read_json,
    save_arrays,
    write_json,
    write_text,
)
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_pictures, save_png
from mindeye.reconstruction.generators.protocol import ImageGenerator, steps_to_skip
from mindeye.reconstruction.selection import best_candidates, second_order_scores
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.types import Decoded, require_unique

# Images in one block: drawn together, saved together, the unit of resuming.
BLOCK = 20

SampleTokens = Callable[[Float[Tensor, "images tokens width"], Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    candidates: int = 4
    """Pictures drawn for each image; the contrastive head chooses one."""
    steps: int = 8
    """Steps of the generator."""
    prior_steps: int = 10
    """Network evaluations of the prior."""
    prior_guidance: float = 3.0
    """How far the prior leans on the brain tokens; 1 plainly, as published. This and `strength`
    were chosen on the validation images of the demo's subject, seed 0."""
    guidance: float = 2.0
    """How far the generator leans on the image tokens."""
    strength: float = 0.7
    """Share of the steps run from the blurry reconstruction (published: 0.85); 1 starts from noise
    instead."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("candidates", "steps", "prior_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}. Choose 1 or more.")
        steps_to_skip(self.steps, self.strength)


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Pictures of some images with how each was chosen; all uint8 RGB, channels last."""

    image_ids: Int[np.ndarray, "images"]
    pictures: UInt8[np.ndarray, "images height width 3"]
    candidates: UInt8[np.ndarray, "images candidates height width 3"]
    scores: Float[np.ndarray, "images candidates"]
    blurry: UInt8[np.ndarray, "images height width 3"] | None


@dataclass(frozen=True, kw_only=True)
class Artist:
    """The frozen networks that turn tokens into pictures and look at them again."""

    clip: ClipTarget
    vae: VaeTarget
    generator: ImageGenerator


@torch.inference_mode()
def reconstruct(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    out: Path,
    *,
    sample_tokens: SampleTokens | None,
    about: dict,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Draws every decoded image into `out`; a rerun draws only what is missing.

    Args:
        sample_tokens: the prior: (brain tokens, noise) -> image tokens; None takes the brain
            tokens as image tokens (a regression to tokens needs no prior).
        about: provenance that is saved with the pictures, such as run and banner.

    Raises:
        ValueError: `out` holds reconstructions of other settings or images.
    """
    require_unique(decoded.image_ids)
    identity = {
        "settings": asdict(config),
        "generator": artist.generator.identity,
        "image_ids": decoded.image_ids.tolist(),
        "about": about,
    }
    _begin(out, identity)
    if (out / "reconstructions.safetensors").exists():
        return load_reconstruction(out)
    for start in range(0, len(decoded.image_ids), BLOCK):
        part = out / "parts" / f"{start:06d}.safetensors"
        if not part.exists():
            rows = slice(start, start + BLOCK)
            arrays = draw_block(_rows(decoded, rows), artist, config, sample_tokens)
            save_arrays(part, arrays)
        if progress:
            progress(min(start + BLOCK, len(decoded.image_ids)), len(decoded.image_ids))
    return _collect(out, identity)


def draw_block(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    sample_tokens: SampleTokens | None,
) -> dict[str, np.ndarray]:
    """Candidates, scores and blurry pictures of a few images."""
    images, count = len(decoded.image_ids), config.candidates
    generators = [
        torch.Generator().manual_seed(candidate_seed(config.seed, int(image_id), candidate))
        for image_id in decoded.image_ids
        for candidate in range(count)
    ]
    brain = decoded.brain_tokens.repeat_interleave(count, dim=0)
    tokens = brain
    if sample_tokens:
        noise = torch.stack([torch.randn(brain.shape[1:], generator=one) for one in generators])
        tokens = sample_tokens(brain, noise.to(brain.device))
    blurry = None if decoded.latents is None else artist.vae.images(decoded.latents)
    pictures = artist.generator.generate(
        tokens,
        start=None
        if blurry is None or config.strength == 1
        else blurry.repeat_interleave(count, dim=0),
        strength=config.strength,
        steps=config.steps,
        guidance=config.guidance,
        generators=generators,
    )
    seen = embedding_of(artist.clip.tokens(pictures)).unflatten(0, (images, count))
    arrays = {
        "image_ids": decoded.image_ids.numpy(),
        "candidates": as_pictures(pictures.unflatten(0, (images, count))),
        "scores": second_order_scores(seen, decoded.embeddings).cpu().numpy(),
    }
    return arrays if blurry is None else {**arrays, "blurry": as_pictures(blurry)}


def candidate_seed(seed: int, image_id: int, candidate: int) -> int:
    """Seed of one candidate: neither batch size nor order changes its picture."""
    state = np.random.SeedSequence([seed, image_id, candidate]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def load_reconstruction(out: Path) -> Reconstruction:
    """Reads a finished folder.

    Raises:
        FileNotFoundError: no reconstructions there, or a half-done folder.
    """
    path = out / "reconstructions.safetensors"
    if not path.is_file():
        state = "holds a half-done reconstruction" if (out / "parts").exists() else "holds none"
        raise FileNotFoundError(
            f"{out} {state}: reconstructions.safetensors is missing. "
            "Run `mindeye reconstruct` with this folder; it goes on where it stopped."
        )
    arrays = load_arrays(path)
    chosen = arrays["scores"].argmax(axis=1)
    return Reconstruction(
        image_ids=arrays["image_ids"],
        pictures=arrays["candidates"][np.arange(len(chosen)), chosen],
        candidates=arrays["candidates"],
        scores=arrays["scores"],
        blurry=arrays.get("blurry"),
    )


def _begin(out: Path, identity: dict) -> None:
    manifest = out / "manifest.json"
    if manifest.exists():
        found = differences(_without_place(identity), _without_place(read_json(manifest)))
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


def _without_place(identity: dict) -> dict:
    """A run may move: its weights, not its path, tell it from others."""
    about = {name: value for name, value in identity["about"].items() if name != "run"}
    return {**identity, "about": about}


def _rows(decoded: Decoded, rows: slice) -> Decoded:
    return Decoded(*(None if value is None else value[rows] for value in decoded))


def _collect(out: Path, identity: dict) -> Reconstruction:
    """Joins the parts into one file, and writes PNGs and one JSON line a candidate."""
    if not (out / "reconstructions.safetensors").exists():
        parts = [load_arrays(path) for path in sorted((out / "parts").glob("*.safetensors"))]
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        chosen = best_candidates(torch.from_numpy(arrays["scores"])).numpy()
        lines = []
        for row, image_id in enumerate(arrays["image_ids"].tolist()):
            save_png(
                arrays["candidates"][row, chosen[row]], out / "pictures" / f"{image_id:05d}.png"
            )
            if "blurry" in arrays:
                save_png(arrays["blurry"][row], out / "blurry" / f"{image_id:05d}.png")
            for candidate, score in enumerate(arrays["scores"][row].tolist()):
                seed = candidate_seed(identity["settings"]["seed"], image_id, candidate)
                lines.append(
                    json.dumps(
                        {
                            "image_id": image_id,
                            "candidate": candidate,
                            "seed": seed,
                            "score": score,
                            "chosen": bool(candidate == chosen[row]),
                        }
                    )
                )
        write_text(out / "choices.jsonl", "\n".join(lines) + "\n")
        save_arrays(out / "reconstructions.safetensors", arrays)
        shutil.rmtree(out / "parts")
    return load_reconstruction(out)
