"""What the demo's decoder is compared with: no img2img, and ridge regression."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mindeye.metrics.statistics import difference_row
from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_artist
from mindeye.reconstruction.pipeline import reconstruct
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.scoring import picture_scores
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.metric_networks.network import own_clip
from mindeye.training.ridge_baseline import ridge_decoded
from mindeye.types import MetricRow
from mindeye.verbs.drawing.scans import scans_of
from mindeye.verbs.evaluation.evaluate import Evaluation
from mindeye.verbs.evaluation.pictures_beside import shown_pictures
from mindeye.verbs.retrieval.retrieve import Retrieval, retrieval_of

Progress = Callable[[int, int], None]
Watch = Callable[[str], Progress]
"""Stage title -> what takes (done, total) of that stage."""

RIDGE = "ridge regression"
PLAIN = "mindeye without img2img"
POOL = 100


def pools_of(run: OpenRun) -> tuple[int, ...]:
    """Pools of 100 and of all test images, as far as there are as many."""
    total = run.prepared.manifest["splits"]["test"]["num_images"]
    return (POOL, total) if total > POOL else (total,)


def without_img2img(
    run: OpenRun, out: Path, settings: ReconstructionConfig, num_images: int, progress: Progress
) -> dict[str, np.ndarray]:
    """The same decoder and candidates, but drawn from noise instead of the blurry picture."""
    settings = replace(settings, strength=1.0)
    scans = scans_of(run.prepared, "test", num_images, settings.seed)
    artist = open_artist(run)
    drawn = reconstruct(
        decode(run.decoder, scans),
        artist,
        settings,
        out,
        sample_tokens=prior_sampler(run.decoder.prior, settings),
        about={**run.about, "split": "test", "system": PLAIN},
        progress=progress,
    )
    shown = shown_pictures(run, drawn.image_ids, drawn.pictures.shape[1])
    return picture_scores(drawn.pictures, shown, own_clip(artist.clip))


def ridge_system(
    run: OpenRun, out: Path, settings: ReconstructionConfig, num_images: int, watch: Watch
) -> tuple[Retrieval, dict[str, np.ndarray]]:
    """Ridge regression to the same tokens and latents, drawn by the same generator."""
    scans = run.prepared.repeats("test")
    progress = watch("ridge regression")
    progress(0, 1)
    training = run.prepared.repeats("train")
    decoded = ridge_decoded(training, scans, run.targets)
    progress(1, 1)
    # What all images share would fill nearly the whole cosine; without it ridge finds far more.
    centre = run.targets.tokens(training.image_ids).mean(0)
    centred = decoded._replace(embeddings=embedding_of(decoded.brain_tokens - centre))
    retrieval = retrieval_of(RIDGE, centred, run, pools_of(run), settings.seed, centre)
    chosen = scans_of(run.prepared, "test", num_images, settings.seed).image_ids
    rows = np.flatnonzero(np.isin(scans.image_ids.numpy(), chosen.numpy()))
    artist = open_artist(run)
    drawn = reconstruct(
        type(decoded)(*(None if value is None else value[rows] for value in decoded)),
        artist,
        settings,
        out,
        sample_tokens=None,
        about={**run.about, "split": "test", "system": RIDGE},
        progress=watch("reconstruct from ridge"),
    )
    shown = shown_pictures(run, drawn.image_ids, drawn.pictures.shape[1])
    return retrieval, picture_scores(drawn.pictures, shown, own_clip(artist.clip))


def paired_rows(
    retrieval: Retrieval,
    ridge_retrieval: Retrieval,
    ours: Evaluation,
    plain: dict[str, np.ndarray],
    ridge: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> list[MetricRow]:
    """Differences on the same images, with intervals: what the comparison rests on."""
    rows = []
    for name, values in retrieval.per_image.items():
        if "top-1" in name:
            pair = (values, ridge_retrieval.per_image[name])
            rows.append(difference_row(("mindeye", RIDGE), name, pair, rng))
    for metric, values in ours.per_image["mindeye"].items():
        rows.append(difference_row(("mindeye", RIDGE), metric, (values, ridge[metric]), rng))
        rows.append(difference_row(("mindeye", PLAIN), metric, (values, plain[metric]), rng))
    return rows
