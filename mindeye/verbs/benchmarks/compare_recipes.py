"""Training recipes against each other on simulated subjects: same scans, same scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.config import differences, to_mapping
from mindeye.data.prepare import prepare_nsd
from mindeye.files import read_json, write_json, write_text
from mindeye.reconstruction.opening import open_run
from mindeye.reconstruction.scoring import picture_scores
from mindeye.reconstruction.settings import (
    DRAWING_QUIRKS,
    ReconstructionConfig,
    published_settings,
)
from mindeye.report.tables import rows_as_records, write_rows_tsv
from mindeye.run import RunFolder
from mindeye.run_identity import PLACES
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import preset_of
from mindeye.targets.clip import load_clip
from mindeye.targets.metric_networks.network import own_clip
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.types import MetricRow
from mindeye.verbs.benchmarks.comparison_tables import (
    ComparisonConfig,
    PerImage,
    comparison_rows,
    markdown,
)
from mindeye.verbs.demonstration.demo_baselines import Watch, pools_of
from mindeye.verbs.drawing.scans import ScansAsked
from mindeye.verbs.evaluation.pictures_beside import shown_pictures
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.retrieval.retrieve import RETRIEVAL_QUIRKS, retrieve_run

# Quirks of decoding that belong to a recipe. Those of the published generators and of evaluation
# stay off: the generator is another one, and everybody is scored alike.
OF_THE_RECIPE = ("averaged_outputs", "late_start_ddim")
CANDIDATES = 3

Start = Callable[[Path], Path]
"""Folder of a subject, with the runs of the recipes before -> run that a training starts from."""


def compare_recipes(
    recipes: Mapping[str, ExperimentConfig],
    work: Path,
    config: ComparisonConfig,
    watch: Watch,
    starts: Mapping[str, Start] | None = None,
) -> list[MetricRow]:
    """Trains every recipe on every subject and scores all; a rerun goes on where it stopped.

    Rows hold each recipe on each subject, each on all subjects' images together, and of both the
    paired differences from the reference. Their intervals are over the images of these subjects
    and trainings: a handful of seeds is too few to tell how other ones would differ.
    WORK/comparison.{json,tsv,md} hold them.

    Args:
        starts: of recipes that train on from a run of the same subject.

    Raises:
        LookupError: the reference is not among the recipes.
        ValueError: WORK holds results of other settings.
    """
    if config.reference not in recipes:
        raise LookupError(
            f"`{config.reference}` is to be compared with, but there are {', '.join(recipes)}. "
            "Name its configuration file too."
        )
    scores = {
        (name, seed): scores_of(name, recipe, work, config, seed, watch, (starts or {}).get(name))
        for seed in config.seeds
        for name, recipe in recipes.items()
    }
    rows = comparison_rows(scores, config)
    simulated = {"simulated": True, "preset": config.preset, "seeds": list(config.seeds)}
    write_rows_tsv(work / "comparison.tsv", rows, simulated=simulated)
    write_json(work / "comparison.json", {"simulated": simulated, "rows": rows_as_records(rows)})
    write_text(work / "comparison.md", markdown(rows, tuple(recipes), config))
    return rows


def scores_of(
    name: str,
    recipe: ExperimentConfig,
    work: Path,
    config: ComparisonConfig,
    seed: int,
    watch: Watch,
    start: Start | None = None,
) -> PerImage:
    """Per-image scores of one recipe on one subject, from the disk where they are there already.

    Raises:
        ValueError: scores of another recipe, preset or number of images are there.
    """
    place = work / f"seed{seed}"
    kept, made_with = place / name / "scores.json", made_with_of(recipe, config)
    if kept.exists():
        content = read_json(kept)
        found = differences(made_with, content["made_with"])
        if found:
            raise ValueError(
                f"{kept} was made with other settings ({'; '.join(found[:3])}). "
                "Choose another --work, or delete that folder."
            )
        return {metric: np.asarray(values) for metric, values in content["scores"].items()}
    label = f"seed {seed}, {name}: "
    prepared = prepared_subject(place, config.preset, seed, watch)
    start_from = start(place) if start else recipe.start_from
    training = watch(f"{label}train")
    run = train(
        replace(recipe, data=(prepared,), seed=seed, start_from=start_from),
        place / name / "run",
        progress=lambda done, total, _values: training(done, total),
        embed_progress=watch(f"{label}embed images"),
    )
    scores = retrieval_scores(run, seed) | picture_scores_of(
        run, place / name / "pictures", config, seed, watch(f"{label}reconstruct")
    )
    values = {metric: values.tolist() for metric, values in scores.items()}
    write_json(kept, {"made_with": made_with, "scores": values})
    return scores


def made_with_of(recipe: ExperimentConfig, config: ComparisonConfig) -> dict[str, Any]:
    """What scores depend on, besides the seed; a recipe's places are not its own here."""
    settings = {key: one for key, one in to_mapping(recipe).items() if key not in (*PLACES, "seed")}
    return {"recipe": settings, "preset": config.preset, "num_images": config.num_images}


def prepared_subject(place: Path, preset: str, seed: int, watch: Watch) -> Path:
    """Simulated and prepared; the same for all recipes."""
    if not (place / "prepared").exists():
        simulating = watch(f"seed {seed}: simulate")
        simulate_nsd_tree(
            place / "nsd",
            preset_of(preset),
            seed=seed,
            progress=lambda _stage, done, total: simulating(done, total),
        )
        prepare_nsd(place / "nsd", subject=1, out=place / "prepared", seed=seed)
    return place / "prepared"


def retrieval_scores(run: RunFolder, seed: int) -> PerImage:
    """Image and brain retrieval, top-1 of 100 or of all."""
    pool = pools_of(open_run(run.path))[:1]
    quirks = decoding_quirks(run, RETRIEVAL_QUIRKS)
    found = retrieve_run(run.path, pool_sizes=pool, seed=seed, compat="none", quirk_settings=quirks)
    return {name: values for name, values in found.per_image.items() if "top-1 " in name}


def picture_scores_of(
    run: RunFolder, out: Path, config: ComparisonConfig, seed: int, progress
) -> PerImage:
    """The recipe's prior, then the same generator and settings for all."""
    published = published_settings(run.quirks().compat)
    settings = ReconstructionConfig(
        candidates=CANDIDATES,
        sampler=published.sampler,
        prior_steps=published.prior_steps,
        prior_guidance=published.prior_guidance,
        seed=seed,
    )
    drawn = reconstruct_run(
        run.path,
        out,
        settings,
        ScansAsked(num_images=config.num_images),
        compat="none",
        quirk_settings=decoding_quirks(run, DRAWING_QUIRKS),
        progress=progress,
    )
    opened = open_run(run.path)
    judges = own_clip(load_clip(opened.provenance["paths"]["clip"]))
    shown = shown_pictures(opened, drawn.image_ids, drawn.pictures.shape[1])
    return picture_scores(drawn.pictures, shown, judges)


def decoding_quirks(run: RunFolder, concerned: Sequence[str]) -> list[str]:
    """Those of the recipe that concern a verb, as a command line gives them."""
    on = run.quirks().switched_on()
    return [f"{name}=on" for name in OF_THE_RECIPE if name in on and name in concerned]
