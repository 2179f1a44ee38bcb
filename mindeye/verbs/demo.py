"""`mindeye demo`: a simulated subject from scans to report, with baselines and controls."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mindeye.data.prepare import prepare_nsd
from mindeye.files import read_json
from mindeye.metrics.statistics import difference_row
from mindeye.models.backbone import BackboneConfig
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.prior import PriorConfig
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_artist, open_run
from mindeye.reconstruction.pipeline import ReconstructionConfig, reconstruct
from mindeye.reconstruction.scoring import PIXCORR, TWO_WAY, picture_scores, score_rows
from mindeye.report.tables import write_rows_tsv
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import SimulationConfig, preset_of
from mindeye.training.experiment import ExperimentConfig, LossConfig, ScheduleConfig
from mindeye.training.loop import train
from mindeye.training.ridge_baseline import ridge_decoded
from mindeye.types import MetricRow
from mindeye.verbs.evaluate import Evaluation, evaluate_folder, shown_pictures
from mindeye.verbs.reconstruct import prior_sampler, reconstruct_run, test_scans
from mindeye.verbs.report import ReportParts, report_run, save_summary
from mindeye.verbs.retrieve import Retrieval, retrieval_of, retrieve_run

Watch = Callable[[str], Callable[[int, int], None]]
"""Stage title -> what takes (done, total) of that stage."""

RIDGE = "ridge regression"
PLAIN = "mindeye without img2img"
CONTROL = "control: no-signal subject"
POOL = 100
# The control needs enough test images for an interval of chance, and no more.
CONTROL_SESSIONS = 4
CONTROL_IMAGES = 50
# The tiny subject has a fifth of the images: smaller batches give it enough steps.
TINY_BATCH = 32
# Fewer than the verb's default: three systems and a control have to be drawn within minutes.
CANDIDATES = 2


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    preset: str = "nsd-like"
    seed: int = 0
    num_images: int = 100
    """Test images to reconstruct; retrieval uses all."""

    def __post_init__(self) -> None:
        if self.num_images < 2:
            raise ValueError(
                f"{self.num_images} test images cannot be compared. Choose --images 2 or more."
            )


def demo_experiment(prepared: Path, seed: int, batch: int = 128) -> ExperimentConfig:
    """A decoder that suits a small simulated subject and two CPU cores."""
    return ExperimentConfig(
        data=(prepared,),
        decoder=DecoderConfig(
            backbone=BackboneConfig(width=512, num_blocks=2, input_dropout=0.5, block_dropout=0.3),
            contrastive_width=256,
            prior=PriorConfig(depth=3, head_width=32),
            low_level=LowLevelConfig(base_channels=32, base_side=4, dropout=0.3),
        ),
        losses=LossConfig(prior=10.0, prior_trials=64),
        schedule=ScheduleConfig(
            num_epochs=30,
            batch=batch,
            learning_rate=1e-3,
            weight_decay=0.05,
            ridge_decay=0.3,
            warmup=0.05,
        ),
        seed=seed,
    )


def run_demo(out: Path, config: DemoConfig, watch: Watch) -> list[MetricRow]:
    """All stages into `out`; a rerun continues. Returns the table's rows.

    OUT/summary.json holds the rows, OUT/report.html the page.
    """
    simulation = preset_of(config.preset)
    run = decoded_subject(out, simulation, config, watch, "")
    opened = open_run(run)
    retrieval = retrieve_run(run, pool_sizes=pools_of(opened), seed=config.seed)
    ours = evaluate_folder(
        run / "reconstructions", seed=config.seed, progress=watch("draw true tokens")
    )
    rng = np.random.default_rng(config.seed)
    plain = without_img2img(opened, run / "without_img2img", config, watch)
    ridge_retrieval, ridge = ridge_system(opened, run / "ridge", config, watch)
    more = [*score_rows(PLAIN, plain, rng), *ridge_retrieval.rows, *score_rows(RIDGE, ridge, rng)]
    differences = paired_rows(retrieval, ridge_retrieval, ours, plain, ridge, rng)
    controls = [] if config.preset == "no-signal" else control_rows(out, config, watch)
    rows = [*retrieval.rows, *ours.rows, *more, *differences, *controls]
    banner = opened.prepared.manifest["simulated"]
    report_run(
        ReportParts(run=run, reconstructions=run / "reconstructions", seed=config.seed),
        out / "report.html",
        more_rows=[*more, *differences],
        controls=controls,
        more_columns={"without img2img": run / "without_img2img", "ridge": run / "ridge"},
        notes=NOTES,
    )
    write_rows_tsv(out / "summary.tsv", rows)
    save_summary(out / "summary.json", rows, banner)
    return rows


def headline(rows: list[MetricRow]) -> list[MetricRow]:
    """The few rows that answer: does it find the image, draw it, and beat the baselines?"""
    retrieval = [row.metric for row in rows if row.metric.startswith("image retrieval top-1")]
    metrics = (retrieval[0], TWO_WAY, PIXCORR)
    return [row for metric in metrics for row in rows if row.metric == metric]


NOTES = (
    "The subject is simulated: these numbers test the software and say nothing about brains.",
    "The brain model's idea of meaning is made of the scenes' attributes, not of the CLIP network "
    "that the decoder learns to predict.",
    "Candidates are chosen by the contrastive head; the shown image is never consulted.",
    "Two-way identification uses the offline CLIP, whose tokens are also what the decoder learns "
    "and what chooses the candidates: it flatters decoders of these tokens, ridge included.",
    "Ridge regression retrieves by tokens from which the training images' mean is subtracted: "
    "without that it finds much less.",
)


def decoded_subject(
    out: Path, simulation: SimulationConfig, config: DemoConfig, watch: Watch, label: str
) -> Path:
    """Simulate, prepare, train, reconstruct; returns the run folder."""
    simulating = watch(f"{label}simulate")
    simulate_nsd_tree(
        out / "nsd",
        simulation,
        seed=config.seed,
        progress=lambda _stage, done, total: simulating(done, total),
    )
    prepared = prepare_nsd(out / "nsd", subject=1, out=out / "prepared", seed=config.seed)
    training = watch(f"{label}train")
    train(
        demo_experiment(prepared, config.seed, TINY_BATCH if config.preset == "tiny" else 128),
        out / "run",
        progress=lambda done, total, _values: training(done, total),
        embed_progress=watch(f"{label}embed images"),
    )
    reconstruct_run(
        out / "run",
        out / "run" / "reconstructions",
        ReconstructionConfig(candidates=CANDIDATES, seed=config.seed),
        num_images=min(config.num_images, num_test_images(prepared)),
        progress=watch(f"{label}reconstruct"),
    )
    return out / "run"


def num_test_images(prepared: Path) -> int:
    """From the manifest."""
    return read_json(prepared / "manifest.json")["splits"]["test"]["num_images"]


def pools_of(run: OpenRun) -> tuple[int, ...]:
    """Pools of 100 and of all test images, as far as there are as many."""
    total = run.prepared.manifest["splits"]["test"]["num_images"]
    return (POOL, total) if total > POOL else (total,)


def without_img2img(
    run: OpenRun, out: Path, config: DemoConfig, watch: Watch
) -> dict[str, np.ndarray]:
    """The same decoder and candidates, but drawn from noise instead of the blurry picture."""
    settings = ReconstructionConfig(candidates=CANDIDATES, seed=config.seed, strength=1.0)
    total = run.prepared.manifest["splits"]["test"]["num_images"]
    scans = test_scans(run.prepared, min(config.num_images, total), config.seed)
    artist = open_artist(run)
    drawn = reconstruct(
        decode(run.decoder, scans),
        artist,
        settings,
        out,
        sample_tokens=prior_sampler(run, settings),
        about={**run.about, "system": PLAIN},
        progress=watch("reconstruct without img2img"),
    )
    shown = shown_pictures(run, drawn.image_ids, drawn.pictures.shape[1])
    return picture_scores(drawn.pictures, shown, artist.clip)


def ridge_system(
    run: OpenRun, out: Path, config: DemoConfig, watch: Watch
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
    retrieval = retrieval_of(RIDGE, centred, run, pools_of(run), config.seed, centre)
    total = len(scans.image_ids)
    chosen = test_scans(run.prepared, min(config.num_images, total), config.seed).image_ids
    rows = np.flatnonzero(np.isin(scans.image_ids.numpy(), chosen.numpy()))
    artist = open_artist(run)
    drawn = reconstruct(
        type(decoded)(*(None if value is None else value[rows] for value in decoded)),
        artist,
        ReconstructionConfig(candidates=CANDIDATES, seed=config.seed),
        out,
        sample_tokens=None,
        about={**run.about, "system": RIDGE},
        progress=watch("reconstruct from ridge"),
    )
    shown = shown_pictures(run, drawn.image_ids, drawn.pictures.shape[1])
    return retrieval, picture_scores(drawn.pictures, shown, artist.clip)


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


def control_rows(out: Path, config: DemoConfig, watch: Watch) -> list[MetricRow]:
    """The same road for a subject whose voxels carry nothing: must end at chance."""
    simulation = preset_of("no-signal")
    if config.preset == "tiny":
        simulation = replace(preset_of("tiny"), name="no-signal", noise_ceiling_scale=0.0)
    else:
        simulation = replace(simulation, sessions=CONTROL_SESSIONS)
    config = replace(config, num_images=min(config.num_images, CONTROL_IMAGES))
    run = decoded_subject(out / "control", simulation, config, watch, "control: ")
    opened = open_run(run)
    retrieval = retrieve_run(run, pool_sizes=pools_of(opened), seed=config.seed)
    scores = evaluate_folder(
        run / "reconstructions", seed=config.seed, progress=watch("control: draw true tokens")
    ).per_image["mindeye"]
    rng = np.random.default_rng(config.seed)
    return [
        *(replace(row, system=CONTROL) for row in retrieval.rows),
        *score_rows(CONTROL, scores, rng),
    ]
