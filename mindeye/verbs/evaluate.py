"""`mindeye evaluate`: a folder of reconstructions -> scores with floors and ceilings."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mindeye.files import read_json, write_json, write_text
from mindeye.metrics.pixels import resize
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_artist, open_run
from mindeye.reconstruction.pipeline import (
    Artist,
    ReconstructionConfig,
    load_reconstruction,
    reconstruct,
)
from mindeye.reconstruction.scoring import (
    derangement,
    nearest_training_images,
    picture_scores,
    score_rows,
)
from mindeye.report.tables import write_rows_tsv
from mindeye.types import Decoded, MetricRow
from mindeye.verbs.reconstruct import test_scans

CEILING = "ceiling: true tokens"
SHUFFLED = "floor: shuffled scans"
NEAREST = "floor: nearest training image"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Rows for tables and the per-image values behind them."""

    rows: list[MetricRow]
    per_image: dict[str, dict[str, np.ndarray]]
    image_ids: np.ndarray


def evaluate_folder(
    folder: Path,
    *,
    data: Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores a folder of `mindeye reconstruct`; writes evaluation.json, .tsv and per_image.tsv.

    Images are matched by id. The ceiling is drawn with the same generator and number of steps.
    """
    ours = load_reconstruction(folder)
    manifest = read_json(folder / "manifest.json")
    about, settings = manifest["about"], ReconstructionConfig(**manifest["settings"])
    run = open_run(Path(about["run"]), subject=about["subject"], data=data)
    artist = open_artist(run)
    side = ours.pictures.shape[1]
    shown = shown_pictures(run, ours.image_ids, side)
    rng = np.random.default_rng(seed)
    pictures = {
        about["system"]: ours.pictures,
        CEILING: true_token_pictures(run, artist, ours.image_ids, folder, settings, progress),
        SHUFFLED: ours.pictures[derangement(len(shown), rng)],
        NEAREST: nearest_pictures(run, ours.image_ids, side),
    }
    if ours.blurry is not None:
        pictures["blurry only"] = ours.blurry
    per_image = {
        system: picture_scores(one, shown, artist.clip) for system, one in pictures.items()
    }
    rows = [row for system, scores in per_image.items() for row in score_rows(system, scores, rng)]
    result = Evaluation(rows=rows, per_image=per_image, image_ids=ours.image_ids)
    save_evaluation(result, folder, about)
    return result


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
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """What the generator draws from the shown images' own tokens, from noise, one candidate."""
    ids = torch.from_numpy(image_ids)
    tokens = run.targets.tokens(ids)
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
        about={**run.about, "system": CEILING},
        progress=progress,
    )
    return drawn.pictures


def nearest_pictures(run: OpenRun, image_ids: np.ndarray, side: int) -> np.ndarray:
    """For each test scan, the training image that the contrastive head finds closest."""
    scans = test_scans(run.prepared, None, 0)
    decoded = decode(run.decoder, scans)
    row_of = {image_id: row for row, image_id in enumerate(scans.image_ids.tolist())}
    brain = decoded.embeddings[[row_of[image_id] for image_id in image_ids.tolist()]].cpu()
    training = run.prepared.repeats("train").image_ids
    found = nearest_training_images(brain, embedding_of(run.targets.tokens(training)))
    return shown_pictures(run, training.numpy()[found], side)


def save_evaluation(result: Evaluation, folder: Path, about: dict) -> None:
    """evaluation.json with provenance, evaluation.tsv and per_image.tsv for scripts."""
    rows = [asdict(row) for row in result.rows]
    write_json(folder / "evaluation.json", {**about, "rows": rows})
    write_rows_tsv(folder / "evaluation.tsv", result.rows)
    lines = ["system\tmetric\timage_id\tvalue"]
    for system, scores in result.per_image.items():
        for metric, values in scores.items():
            for image_id, value in zip(result.image_ids.tolist(), values.tolist(), strict=True):
                lines.append(f"{system}\t{metric}\t{image_id}\t{value}")
    write_text(folder / "per_image.tsv", "\n".join(lines) + "\n")
