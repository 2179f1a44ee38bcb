"""`mindeye evaluate`: a folder of reconstructions -> scores with floors and ceilings."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindeye.files import sha256_of, write_json
from mindeye.metrics.pixels import resize
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_artist, open_run
from mindeye.reconstruction.pipeline import (
    Artist,
    ReconstructionConfig,
    reconstruct,
)
from mindeye.reconstruction.scoring import (
    derangement,
    nearest_training_images,
    permuted_row,
    picture_scores,
    score_rows,
)
from mindeye.report.tables import write_rows_tsv, write_tsv
from mindeye.run import RunFolder
from mindeye.targets.clip import load_clip
from mindeye.types import Decoded, MetricRow
from mindeye.verbs.device import require_device
from mindeye.verbs.reconstruct import scans_of
from mindeye.verbs.saved_results import read_manifest, read_pictures

CEILING = "ceiling: true tokens"
SHUFFLED = "floor: shuffled scans"
NEAREST = "floor: nearest training image"
PERMUTED = "chance: pictures dealt at random"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Rows for tables and the per-image values behind them."""

    rows: list[MetricRow]
    per_image: dict[str, dict[str, np.ndarray]]
    image_ids: np.ndarray
    about: dict
    """Run, weights, subject, system and banner."""


def evaluate_folder(
    folder: Path,
    *,
    run_path: Path | None = None,
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores a folder of `mindeye reconstruct`; writes evaluation.json, .tsv and per_image.tsv.

    Images are matched by id. The ceiling is drawn with the same generator and number of steps.

    Args:
        run_path: the run that drew the folder, where it has moved since.

    Raises:
        FileNotFoundError: no finished reconstructions, or their run is gone.
        ValueError: another run than the one that drew the folder, or another generator.
    """
    require_device(device)
    ours, manifest = read_pictures(folder), read_manifest(folder)
    about = manifest.about
    place = run_of(folder, about, run_path)
    run = open_run(place, subject=about["subject"], data=data, device=device)
    artist = open_artist(run, device)
    if artist.generator.identity != manifest.generator:
        raise ValueError(
            f"{folder} was drawn by {manifest.generator}, but here is {artist.generator.identity}: "
            "its ceiling cannot be drawn. Restore that generator, or draw the folder again."
        )
    side = ours.pictures.shape[1]
    shown = shown_pictures(run, ours.image_ids, side)
    rng = np.random.default_rng(seed)
    # A folder of true tokens from before the run moved is opened again, so it keeps its path.
    ceiling_about = {**about, "system": CEILING}
    pictures = {
        about["system"]: ours.pictures,
        CEILING: true_token_pictures(
            run, artist, ours.image_ids, folder, manifest.settings, ceiling_about, progress
        ),
        SHUFFLED: ours.pictures[derangement(len(shown), rng)],
        NEAREST: nearest_pictures(run, about["split"], ours.image_ids, side),
    }
    if ours.blurry is not None:
        pictures["blurry only"] = ours.blurry
    # Scores are counted on the CPU, where the pictures are.
    clip = artist.clip if device == "cpu" else load_clip(run.provenance["paths"]["clip"])
    per_image = {system: picture_scores(one, shown, clip) for system, one in pictures.items()}
    rows = [row for system, scores in per_image.items() for row in score_rows(system, scores, rng)]
    rows.append(permuted_row(PERMUTED, ours.pictures, shown, clip, rng))
    result = Evaluation(rows=rows, per_image=per_image, image_ids=ours.image_ids, about=about)
    save_evaluation(result, folder)
    return result


def run_of(folder: Path, about: Mapping[str, Any], given: Path | None) -> Path:
    """Where the run lies that drew a folder: as given, or as its manifest recorded it.

    Raises:
        FileNotFoundError: the recorded place is gone, or no finished run is at the given one.
        ValueError: the run there has other weights.
    """
    place = given or Path(about["run"])
    if given is None and not place.exists():
        raise FileNotFoundError(
            f"{folder} was drawn by the run {place}, which is gone. "
            "If it has moved, say where with --run."
        )
    run = RunFolder(path=place)
    run.require_finished()
    weights = sha256_of(run.weights_path)
    if weights != about["weights"]:
        raise ValueError(
            f"{folder} was drawn by weights {str(about['weights'])[:12]}, but {place} has "
            f"{weights[:12]}. Give the run that drew it with --run, or draw it again."
        )
    return place


def shown_pictures(run: OpenRun, image_ids: np.ndarray, side: int) -> np.ndarray:
    """What the person saw, uint8, resized to `side` (bilinear, antialiased) where it differs."""
    shown = as_images(run.prepared.images[run.prepared.rows_of(image_ids)])
    return as_pictures(shown if shown.shape[-1] == side else resize(shown, side, antialias=True))


def true_token_pictures(
    run: OpenRun,
    artist: Artist,
    image_ids: np.ndarray,
    folder: Path,
    settings: ReconstructionConfig,
    about: dict,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """What the generator draws from the shown images' own tokens, from noise, one candidate."""
    ids = torch.from_numpy(image_ids)
    tokens = run.targets.tokens(ids).to(next(run.decoder.parameters()).device)
    truth = Decoded(
        image_ids=ids,
        brain_tokens=tokens,
        embeddings=embedding_of(tokens),
        image_tokens=None,
        latents=None,
    )
    drawn = reconstruct(
        truth,
        artist,
        replace(settings, candidates=1, strength=1.0),
        folder / "true_tokens",
        sample_tokens=None,
        about=about,
        progress=progress,
    )
    return drawn.pictures


def nearest_pictures(run: OpenRun, split: str, image_ids: np.ndarray, side: int) -> np.ndarray:
    """For each scan, the training image that the contrastive head finds closest."""
    scans = scans_of(run.prepared, split, None, 0)
    decoded = decode(run.decoder, scans)
    row_of = {image_id: row for row, image_id in enumerate(scans.image_ids.tolist())}
    brain = decoded.embeddings[[row_of[image_id] for image_id in image_ids.tolist()]].cpu()
    training = run.prepared.repeats("train").image_ids
    found = nearest_training_images(brain, embedding_of(run.targets.tokens(training)))
    return shown_pictures(run, training.numpy()[found], side)


def save_evaluation(result: Evaluation, folder: Path) -> None:
    """evaluation.json with provenance, evaluation.tsv and per_image.tsv for scripts."""
    simulated = result.about["simulated"]
    rows = [asdict(row) for row in result.rows]
    write_json(folder / "evaluation.json", {**result.about, "rows": rows})
    write_rows_tsv(folder / "evaluation.tsv", result.rows, simulated=simulated)
    lines = [
        (system, metric, image_id, value)
        for system, scores in result.per_image.items()
        for metric, values in scores.items()
        for image_id, value in zip(result.image_ids.tolist(), values.tolist(), strict=True)
    ]
    columns = ("system", "metric", "image_id", "value")
    write_tsv(folder / "per_image.tsv", columns, lines, simulated=simulated)
