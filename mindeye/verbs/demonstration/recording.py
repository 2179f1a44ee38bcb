"""`mindeye demo --recording NAME`: a real human recording through the same verbs."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from mindeye.config import differences, to_mapping
from mindeye.data.folds import BY_FIGURE, BY_GROUP, folds_of
from mindeye.data.recordings import Recording, drawn_figures, read_recording
from mindeye.files import holds_something, read_json, write_json
from mindeye.report.grids import PictureGrid
from mindeye.report.page import ReportContent, write_report
from mindeye.report.tables import rows_as_records, write_rows_tsv
from mindeye.retrieval.accuracy import top_images
from mindeye.run import RunFolder, versions
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.recording_config import recording_experiment
from mindeye.types import MetricRow
from mindeye.verbs.demonstration.recording_folds import (
    OURS,
    RIDGE,
    DecodedRecording,
    decoded_recording,
)
from mindeye.verbs.demonstration.recording_scores import PERMUTATIONS, score_recording
from mindeye.verbs.report import training_curves

Watch = Callable[[str], Callable[[int, int], None]]
"""Stage title -> what takes (done, total) of that stage."""

GRID_TRIALS = 16
FOUND = 5
SETTINGS_FILE = "settings.json"


def run_recording(out: Path, name: str, seed: int, watch: Watch) -> list[MetricRow]:
    """All folds into `out`; a rerun continues. Returns the table's rows.

    OUT/summary.json and summary.tsv hold the rows, OUT/report.html the page.

    Raises:
        LookupError: an unknown recording.
        FileNotFoundError: the recording is not there.
        ValueError: a damaged file, or `out` holds another run.
    """
    return decode_recording(out, read_recording(name), recording_experiment(seed), watch)


def decode_recording(
    out: Path, recording: Recording, experiment: ExperimentConfig, watch: Watch
) -> list[MetricRow]:
    """The same for a recording in memory and any experiment."""
    _begin(out, recording, experiment)
    rows, controls, grids = [], [], []
    for by, label in protocols_of(recording).items():
        decoded = decoded_recording(
            recording, by, experiment, out / "folds", watch(f"folds, {label}")
        )
        scores = score_recording(recording, decoded, label, experiment.seed)
        rows += scores.rows
        controls += scores.controls
        grids.append(grid_of(recording, decoded, label, experiment.seed))
    everything = [*rows, *controls]
    write_rows_tsv(out / "summary.tsv", everything, simulated=None)
    summary = {"recording": recording.name, "citation": recording.facts.citation}
    write_json(
        out / "summary.json",
        {**summary, "simulated": None, "rows": rows_as_records(everything)},
    )
    first = folds_of(recording, BY_GROUP)[0]
    content = ReportContent(
        title=f"Real human recording: {recording.facts.title}",
        lead=LEAD,
        simulated=None,
        provenance=_provenance(recording, experiment),
        rows=rows,
        controls=controls,
        pictures=grids,
        curves=training_curves(RunFolder(path=out / "folds" / first.name / "run").read_log()),
        notes=[
            *NOTES,
            *recording.facts.notes,
            closeness(decoded.figure_embeddings),
            f"Training curves: fold {first.name}.",
        ],
        intervals=INTERVALS.format(count=len(recording.figures), group=recording.facts.group),
    )
    write_report(out / "report.html", content)
    return everything


LEAD = (
    "Every trial is decoded by a model that never saw its session (or, in the second table, its "
    "figure). So few figures prove only that the road carries real signal."
)
NOTES = (
    "`decoded` is the picture of the VAE latents that the low-level head predicts. The generator "
    "learned drawn scenes and nothing else; it would make scenes of these figures.",
    "The baseline is ridge regression from single trials to the same CLIP tokens and VAE latents; "
    "its penalty is chosen within the training trials.",
    "The decoder is the simplest one of the house: no residual blocks, 128 wide, no MixCo, a "
    "strongly decayed ridge layer. It was chosen among about fifteen by their scores on these very "
    "folds, so its scores flatter a little; the ridge baseline had no such choice.",
    "Read the rows `mindeye minus ridge regression`. With so few trials a linear model is hard to "
    "beat, above all for figures that no trial of the training showed.",
)
INTERVALS = (
    "95 % intervals: BCa bootstrap over the {count} figures (each the mean of its single trials). "
    f"Null: {PERMUTATIONS} permutations of the figures within each {{group}}, decoders not "
    "trained again; its interval runs from the lowest to the highest value, and p is one-sided."
)


def closeness(embeddings: Float[np.ndarray, "images features"]) -> str:
    """A note on how far apart the targets of retrieval lie."""
    cosines = embeddings @ embeddings.T
    others = cosines[~np.eye(len(cosines), dtype=bool)]
    return (
        "The offline CLIP learned drawn scenes. To it these figures are nearly one: cosines of "
        f"their embeddings lie from {others.min():.2f} to {others.max():.3f}, mean "
        f"{others.mean():.2f}. Identification by embedding rests on what little is left."
    )


def protocols_of(recording: Recording) -> dict[str, str]:
    """How the trials are held out, with a label for tables."""
    return {BY_GROUP: f"new {recording.facts.group}", BY_FIGURE: "new figure"}


def grid_of(recording: Recording, decoded: DecodedRecording, label: str, seed: int) -> PictureGrid:
    """Trials drawn at random, with what both systems make of them."""
    total = len(recording.image_ids)
    chosen = np.sort(np.random.default_rng(seed).permutation(total)[:GRID_TRIALS])
    shown = drawn_figures(recording.figures)
    ids = recording.image_ids[chosen]
    ours, ridge = decoded.systems[OURS], decoded.systems[RIDGE]
    found = top_images(
        torch.from_numpy(ours.embeddings[chosen]),
        torch.from_numpy(decoded.figure_embeddings),
        min(FOUND, len(shown)),
    ).numpy()
    group = recording.facts.group
    return PictureGrid(
        title=f"Shown, decoded, retrieved: {label}",
        chosen=f"{len(chosen)} of {total} single trials, drawn at random; none left out.",
        seed=seed,
        image_ids=ids,
        captions=tuple(
            f"trial {trial}, {group} {recording.groups[trial]}" for trial in chosen.tolist()
        ),
        columns={
            "shown": shown[ids],
            "decoded": ours.pictures[chosen],
            "ridge": ridge.pictures[chosen],
        },
        retrieved=shown[found],
        retrieved_ids=found,
    )


def _begin(out: Path, recording: Recording, experiment: ExperimentConfig) -> None:
    """Writes what decides the results, or refuses a folder that holds something else."""
    settings = {
        "recording": recording.name,
        "sha256": recording.sha256,
        "clip": load_clip(experiment.clip).identity,
        "vae": load_vae(experiment.vae).identity,
        "experiment": to_mapping(experiment),
    }
    path = out / SETTINGS_FILE
    if path.exists():
        found = differences(settings, read_json(path))
        if found:
            raise ValueError(
                f"{out} holds a recording decoded with other settings "
                f"({'; '.join(found[:3])[:300]}). Choose another folder, or delete this one."
            )
        return
    if holds_something(out):
        raise ValueError(
            f"{out} is not empty and holds no decoded recording. Choose another folder."
        )
    write_json(path, settings)


def _provenance(recording: Recording, experiment: ExperimentConfig) -> dict:
    facts = recording.facts
    return {
        "recording": {
            "name": recording.name,
            "citation": facts.citation,
            "origin and terms": facts.origin,
            "file": facts.file,
            "sha256": recording.sha256,
            "trials": len(recording.betas),
            "voxels": recording.betas.shape[1],
            "figures": len(recording.figures),
            facts.group + "s": len(np.unique(recording.groups)),
        },
        "training": {"seed": experiment.seed, **asdict(experiment.schedule)},
        "decoder": asdict(experiment.decoder),
        "losses": asdict(experiment.losses),
        "versions": versions(),
    }
