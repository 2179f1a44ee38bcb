"""`mindeye reconstruct --strength FIRST:LAST:STEP`: a folder for each strength, and a plot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mindeye.files import atomic_path
from mindeye.models.architecture import read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.pictures import save_png
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.reconstruction.scoring import picture_scores, score_rows
from mindeye.reconstruction.settings import ReconstructionConfig, steps_to_skip
from mindeye.report.strength_plot import strength_plot
from mindeye.report.tables import format_rows, write_rows_tsv
from mindeye.targets.clip import load_clip
from mindeye.targets.metric_networks.network import own_clip
from mindeye.types import MetricRow
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.beside import BesideAsked
from mindeye.verbs.drawing.plan import ReconstructionPlan, plan_reconstruction
from mindeye.verbs.drawing.scans import TEST_SCANS, ScansAsked, settled_config
from mindeye.verbs.evaluation.pictures_beside import shown_pictures
from mindeye.verbs.reconstruct import Drawing, opened_drawing

BLURRY_ONLY = "blurry-only"
HIGH_LEVEL_ONLY = "high-level-only"

Watch = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, kw_only=True)
class StrengthSweep:
    """What a sweep has drawn, and what it is worth against the true images."""

    out: Path
    rows: list[MetricRow]
    notes: tuple[str, ...]
    about: dict[str, Any]

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen."""
        return (
            format_rows(self.rows),
            *self.notes,
            f"rows: {self.out / 'sweep.tsv'}",
            f"plot: {self.out / 'sweep.png'}",
        )


def sweep_strengths(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    strengths: Sequence[float],
    scans: ScansAsked = TEST_SCANS,
    *,
    watch: Watch,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    device: str = "cpu",
    beside: BesideAsked | None = None,
    **how: Any,
) -> StrengthSweep:
    """Draws the same images at several strengths, each into a folder that is an ordinary one.

    A rerun goes on where it stopped. The true images are looked at for table and plot alone; what
    is chosen by them is best chosen on `split="validation"`.

    Args:
        strengths: those that run the same steps are drawn once; 1, which forgets the blurry
            picture, is drawn in any case, as OUT/high-level-only.
        how: generator_source, execution and batch, see `opened_drawing`.

    Raises:
        ValueError: `out` is a folder of reconstructions itself, the decoder gives no blurry
            pictures, or a calibration is asked for, which holds for one strength alone.
    """
    require_device(device)
    _require_no_calibration(beside)
    if (out / "manifest.json").exists():
        raise ValueError(f"{out} holds reconstructions itself. Choose another folder for a sweep.")
    config = settled_config(run_path, config, compat, quirk_settings)
    steps_of = steps_at(strengths, config.steps)
    drawing = opened_drawing(run_path, config, scans, device=device, **how)
    _require_low_level(run_path, drawing.decoded.latents is not None)
    folders = folders_of(steps_of)
    drawn = {
        name: drawing.into(
            out / name, replace(config, strength=one), beside or BesideAsked(), watch(name)
        )
        for name, one in folders.items()
    }
    blurry = next(iter(drawn.values()))
    save_blurry(out, blurry)
    pictures = {name: one.pictures for name, one in drawn.items()} | {BLURRY_ONLY: blurry.blurry}
    rows = rows_of(drawing, blurry.image_ids, pictures, config.seed)
    about = {**drawing.run.about, "split": drawing.split}
    write_rows_tsv(out / "sweep.tsv", rows, simulated=about["simulated"])
    with atomic_path(out / "sweep.png") as temporary:
        temporary.write_bytes(strength_plot(rows, BLURRY_ONLY, about["simulated"] is not None))
    return StrengthSweep(out=out, rows=rows, notes=notes_on(steps_of, config.steps), about=about)


def plan_sweep(
    run_path: Path,
    config: ReconstructionConfig,
    strengths: Sequence[float],
    scans: ScansAsked = TEST_SCANS,
    *,
    beside: BesideAsked | None = None,
    **how: Any,
) -> ReconstructionPlan:
    """Counts what `sweep_strengths` would draw, and refuses what it would; writes nothing.

    Args:
        how: compat and the like, see `plan_reconstruction`.
    """
    _require_no_calibration(beside)
    plan = plan_reconstruction(run_path, config, scans, **how)
    decoder = read_architecture(run_path / ARCHITECTURE_FILE).decoder
    _require_low_level(run_path, decoder.low_level is not None)
    steps_of = steps_at(strengths, config.steps)
    notes = notes_on(steps_of, config.steps)
    return replace(plan, folders=tuple(folders_of(steps_of)), notes=notes)


def steps_at(strengths: Sequence[float], total: int) -> dict[float, int]:
    """How many of the generator's steps run at each strength."""
    return {one: total - steps_to_skip(total, one) for one in strengths}


def folders_of(steps_of: Mapping[float, int]) -> dict[str, float]:
    """Folder -> strength of all that is drawn."""
    return {folder_of(one): one for one in distinct(steps_of)} | {HIGH_LEVEL_ONLY: 1.0}


def folder_of(strength: float) -> str:
    """`strength-0.50`: names sort as the numbers do."""
    short = f"{strength:.2f}"
    return f"strength-{short if float(short) == strength else format(strength, 'g')}"


def distinct(steps_of: Mapping[float, int]) -> list[float]:
    """The first strength of those that run as many steps; not 1, which starts from noise."""
    found: dict[int, float] = {}
    for strength, steps in steps_of.items():
        if strength < 1:
            found.setdefault(steps, strength)
    return list(found.values())


def notes_on(steps_of: Mapping[float, int], total: int) -> tuple[str, ...]:
    """Which strengths are the same, so that nobody looks for their folders."""
    drawn = {steps_of[one]: one for one in distinct(steps_of)}
    return tuple(
        f"strength {strength:g} runs the same {steps} of {total} steps as {drawn[steps]:g}: see "
        f"{folder_of(drawn[steps])}"
        for strength, steps in steps_of.items()
        if strength < 1 and strength != drawn[steps]
    )


def save_blurry(out: Path, drawn: Reconstruction) -> None:
    """OUT/blurry-only: PNGs named by image id."""
    for row, image_id in enumerate(drawn.image_ids.tolist()):
        save_png(drawn.blurry[row], out / BLURRY_ONLY / f"{image_id:05d}.png")


def rows_of(
    drawing: Drawing,
    image_ids: np.ndarray,
    pictures: Mapping[str, UInt8[np.ndarray, "images rows columns 3"]],
    seed: int,
) -> list[MetricRow]:
    """Scores of each kind of picture against the true ones, with intervals over images."""
    judges = own_clip(load_clip(drawing.run.provenance["paths"]["clip"]))
    rng, rows = np.random.default_rng(seed), []
    for name, drawn in pictures.items():
        shown = shown_pictures(drawing.run, image_ids, drawn.shape[1])
        rows += score_rows(name, picture_scores(drawn, shown, judges), rng)
    return rows


def _require_no_calibration(beside: BesideAsked | None) -> None:
    if beside is not None and beside.calibration is not None:
        raise ValueError(
            "A calibration holds for one strength alone. Leave --calibration out, or give "
            "--strength a single number."
        )


def _require_low_level(run_path: Path, has_latents: bool) -> None:
    if not has_latents:
        raise ValueError(
            f"{run_path} has no low-level head, so nothing starts from a blurry picture and all "
            "strengths draw the same. Give --strength a single number, or leave it out."
        )
