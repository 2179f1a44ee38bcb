"""A new subject with one session: after pre-training on four others, and without; simulated.

Simulated subjects differ as people do in NSD's layout: each has a head, noise ceilings, voxels and
tuning of its own, and pictures of its own but for the shared tenth, which is everybody's test.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.config import differences, to_mapping
from mindeye.data.batches import PreparedSubject
from mindeye.data.prepare import prepare_nsd
from mindeye.files import read_json, write_json, write_text
from mindeye.metrics.identification import two_way_wins
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.saved import load_decoder
from mindeye.reconstruction.decode import decode
from mindeye.report.tables import rows_as_records, write_rows_tsv
from mindeye.retrieval.accuracy import retrieval_per_image
from mindeye.run import RunFolder
from mindeye.run_identity import PLACES
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import preset_of
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.subjects import open_subject
from mindeye.types import MetricRow
from mindeye.verbs.benchmarks.new_subject_tables import POOL, PerImage, markdown, rows_of
from mindeye.verbs.demonstration.demo_baselines import Watch

NUM_VOXELS = {1: 1400, 2: 1270, 3: 1360, 4: 1170, 5: 1160}
"""Of the simulated subjects, in proportion to NSD's."""
NEW = 1
ALONE = "alone"


@dataclass(frozen=True, kw_only=True)
class System:
    """One way to a decoder of the new subject."""

    name: str
    is_pretrained: bool = False
    ridge_start: str = "random"
    num_epochs: int
    """Of three steps each."""
    learning_rate: float = 1e-3


SYSTEMS = (
    System(name="pre-trained, random ridge", is_pretrained=True, num_epochs=20),
    System(
        name="pre-trained, closed-form ridge",
        is_pretrained=True,
        ridge_start="closed-form",
        num_epochs=20,
        learning_rate=3e-4,
    ),
    System(
        name="pre-trained, closed-form ridge, 3 steps",
        is_pretrained=True,
        ridge_start="closed-form",
        num_epochs=1,
        learning_rate=3e-4,
    ),
    System(name=f"{ALONE}, 60 steps", num_epochs=20),
    System(name=f"{ALONE}, 240 steps", num_epochs=80),
    System(name=f"{ALONE}, 720 steps", num_epochs=240),
    System(name=f"{ALONE}, closed-form ridge, 240 steps", ridge_start="closed-form", num_epochs=80),
)
"""Pre-training takes 660 steps, so 720 are as many as it and 60 of fine-tuning together."""


@dataclass(frozen=True, kw_only=True)
class NewSubjectConfig:
    preset: str = "nsd-like"
    seeds: tuple[int, ...] = (0, 1, 2)
    """One family of simulated subjects, and one training of every system, for each."""
    num_sessions: int = 1
    """Of the new subject, to train on; its test scans are those of all sessions."""


def compare_new_subject(
    recipe: ExperimentConfig,
    work: Path,
    config: NewSubjectConfig,
    watch: Watch,
    systems: tuple[System, ...] = SYSTEMS,
) -> list[MetricRow]:
    """Trains every system on every family, and scores all; a rerun goes on where it stopped.

    Rows hold each system on each family, on the images of all families, and there the paired
    differences of the pre-trained ones from each that was trained alone. Intervals are over images;
    they tell nothing of other families and trainings. WORK/new_subject.{json,tsv,md} hold them.

    Raises:
        ValueError: WORK holds results of other settings.
    """
    scores = {
        (system.name, seed): scores_of(system, recipe, work, config, seed, watch)
        for seed in config.seeds
        for system in systems
    }
    rows = rows_of(scores, [one.name for one in systems if one.is_pretrained])
    simulated = {"simulated": True, "preset": config.preset, "seeds": list(config.seeds)}
    write_rows_tsv(work / "new_subject.tsv", rows, simulated=simulated)
    write_json(work / "new_subject.json", {"simulated": simulated, "rows": rows_as_records(rows)})
    write_text(work / "new_subject.md", markdown(rows, [one.name for one in systems], config.seeds))
    return rows


def scores_of(
    system: System,
    recipe: ExperimentConfig,
    work: Path,
    config: NewSubjectConfig,
    seed: int,
    watch: Watch,
) -> PerImage:
    """Per-image scores of one system, from the disk where they are there already."""
    place = work / f"seed{seed}"
    kept = place / f"{system.name.replace(', ', '-').replace(' ', '-')}.json"
    made_with = _made_with(system, recipe, config)
    if kept.exists():
        content = read_json(kept)
        found = differences(made_with, content["made_with"])
        if found:
            raise ValueError(
                f"{kept} was made with other settings ({'; '.join(found[:3])}). "
                "Choose another --work, or delete that folder."
            )
        return {metric: np.asarray(values) for metric, values in content["scores"].items()}
    run = trained(system, recipe, place, config, seed, watch)
    scores = scores_of_run(run, recipe, place / _folder(NEW))
    values = {metric: one.tolist() for metric, one in scores.items()}
    write_json(kept, {"made_with": made_with, "scores": values})
    return scores


def trained(
    system: System,
    recipe: ExperimentConfig,
    place: Path,
    config: NewSubjectConfig,
    seed: int,
    watch: Watch,
) -> RunFolder:
    """The system's run, and before it what it stands on."""
    start = pretrained(recipe, place, config, seed, watch) if system.is_pretrained else None
    fitting = replace(
        recipe,
        data=(prepared(place, config, NEW, seed, watch, sessions=config.num_sessions),),
        schedule=replace(
            recipe.schedule,
            num_epochs=system.num_epochs,
            learning_rate=system.learning_rate,
            subjects_together=False,
        ),
        start_from=start,
        ridge_start=system.ridge_start,
        seed=seed,
    )
    return _train(fitting, place / "runs" / system.name, watch, f"seed {seed}, {system.name}")


def pretrained(
    recipe: ExperimentConfig, place: Path, config: NewSubjectConfig, seed: int, watch: Watch
) -> Path:
    """A run of the four other subjects together, all of their sessions."""
    others = [one for one in NUM_VOXELS if one != NEW]
    together = replace(
        recipe,
        data=tuple(prepared(place, config, one, seed, watch) for one in others),
        seed=seed,
    )
    return _train(together, place / "pre-trained", watch, f"seed {seed}, pre-train").path


def _train(config: ExperimentConfig, out: Path, watch: Watch, title: str) -> RunFolder:
    training = watch(title)
    return train(
        config,
        out,
        progress=lambda done, total, _values: training(done, total),
        embed_progress=watch(f"{title}: embed images"),
    )


def prepared(
    place: Path,
    config: NewSubjectConfig,
    subject: int,
    seed: int,
    watch: Watch,
    *,
    sessions: int | None = None,
) -> Path:
    """Simulated and prepared: all sessions, or the first ones."""
    out = place / _folder(subject, sessions)
    if not out.exists():
        simulating = watch(f"seed {seed}: simulate subject {subject}")
        tree = place / "nsd" / _folder(subject)
        simulate_nsd_tree(
            tree,
            replace(preset_of(config.preset), num_voxels=NUM_VOXELS[subject]),
            subject=subject,
            seed=seed,
            progress=lambda _stage, done, total: simulating(done, total),
        )
        # All sessions too: they hold the scans that everything is scored with.
        prepare_nsd(tree, subject=subject, out=place / _folder(subject), seed=seed)
        if sessions is not None:
            first = tuple(range(1, sessions + 1))
            prepare_nsd(tree, subject=subject, out=out, seed=seed, sessions=first)
    return out


def scores_of_run(run: RunFolder, recipe: ExperimentConfig, scans_of: Path) -> PerImage:
    """Retrieval both ways and two-way identification of what the decoder says of the test scans."""
    subject = open_subject(PreparedSubject(scans_of), open_networks(recipe))
    decoded = decode(load_decoder(run.path), subject.prepared.repeats("test"))
    tokens = subject.targets.tokens(decoded.image_ids)
    found = retrieval_per_image(decoded.embeddings, embedding_of(tokens), (POOL,), tops=(1,))
    scores = {name: values for name, values in found.items() if "top-1" in name}
    wins = two_way_wins(decoded.embeddings, tokens.flatten(1))
    return scores | {"two-way identification of embeddings": wins.numpy()}


def _made_with(
    system: System, recipe: ExperimentConfig, config: NewSubjectConfig
) -> dict[str, Any]:
    """What scores depend on, besides the seed."""
    settings = {key: one for key, one in to_mapping(recipe).items() if key not in (*PLACES, "seed")}
    return {
        "recipe": settings,
        "system": to_mapping(system),
        "config": {key: one for key, one in to_mapping(config).items() if key != "seeds"},
    }


def _folder(subject: int, sessions: int | None = None) -> str:
    return f"subj{subject:02d}" + ("" if sessions is None else f"-{sessions}-sessions")
