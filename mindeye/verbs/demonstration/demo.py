"""`mindeye demo`: a simulated subject from scans to report, with baselines and controls."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mindeye.data.prepare import prepare_nsd
from mindeye.files import holds_something, read_json
from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.prior import PriorConfig
from mindeye.reconstruction.opening import open_run
from mindeye.reconstruction.scoring import PIXCORR, TWO_WAY, score_rows
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.report.tables import write_rows_tsv
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import SimulationConfig, preset_of
from mindeye.training.experiment import ExperimentConfig, LossConfig, ScheduleConfig
from mindeye.training.loop import train
from mindeye.types import MetricRow
from mindeye.verbs.demonstration.demo_baselines import (
    PLAIN,
    RIDGE,
    Watch,
    paired_rows,
    pools_of,
    ridge_system,
    without_img2img,
)
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.evaluate import PERMUTED, evaluate_folder
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.report import ReportParts, report_run, save_summary
from mindeye.verbs.retrieval.retrieve import retrieve_run

CONTROL = "control: no-signal subject"
CONTROL_CHANCE = "control: pictures dealt at random"
# The control needs enough test images for an interval of chance, and no more.
CONTROL_SESSIONS = 4
CONTROL_IMAGES = 50
# The tiny subject has a fifth of the images: smaller batches give it enough steps.
TINY_BATCH = 32
# Fewer than the verb's default: three systems and a control have to be drawn within minutes.
CANDIDATES = 3


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
    if holds_something(out) and not (out / "nsd").is_dir():
        raise ValueError(f"{out} is not empty and holds no demo. Choose another folder.")
    run = decoded_subject(out, simulation, config, watch, "")
    opened = open_run(run)
    retrieval = retrieve_run(run, pool_sizes=pools_of(opened), seed=config.seed)
    ours = evaluate_folder(
        run / "reconstructions", seed=config.seed, progress=watch("draw true tokens")
    )
    rng = np.random.default_rng(config.seed)
    drawing = reconstruction_settings(config), min(config.num_images, len(ours.image_ids))
    plain = without_img2img(
        opened, run / "without_img2img", *drawing, watch("reconstruct without img2img")
    )
    ridge_retrieval, ridge = ridge_system(opened, run / "ridge", *drawing, watch)
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
    write_rows_tsv(out / "summary.tsv", rows, simulated=banner)
    save_summary(out / "summary.json", rows, banner)
    return rows


def headline(rows: list[MetricRow]) -> list[MetricRow]:
    """The few rows that answer: does it find the image, draw it, and beat the baselines?"""
    retrieval = [row.metric for row in rows if row.metric.startswith("image retrieval top-1")]
    metrics = (retrieval[0], TWO_WAY, PIXCORR)
    return [row for metric in metrics for row in rows if row.metric == metric]


NOTES = (
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
        reconstruction_settings(config),
        ScansAsked(num_images=min(config.num_images, num_test_images(prepared))),
        progress=watch(f"{label}reconstruct"),
    )
    return out / "run"


def num_test_images(prepared: Path) -> int:
    """From the manifest."""
    return read_json(prepared / "manifest.json")["splits"]["test"]["num_images"]


def reconstruction_settings(config: DemoConfig) -> ReconstructionConfig:
    """The verb's defaults, but fewer candidates."""
    return ReconstructionConfig(candidates=CANDIDATES, seed=config.seed)


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
    evaluation = evaluate_folder(
        run / "reconstructions", seed=config.seed, progress=watch("control: draw true tokens")
    )
    name_of = {"mindeye": CONTROL, PERMUTED: CONTROL_CHANCE}
    return [
        *(replace(row, system=CONTROL) for row in retrieval.rows),
        *(
            replace(row, system=name_of[row.system])
            for row in evaluation.rows
            if row.system in name_of
        ),
    ]
