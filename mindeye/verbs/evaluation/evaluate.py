"""`mindeye evaluate`: a folder of reconstructions -> scores with floors and ceilings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.files import sha256_of, write_json
from mindeye.metrics.protocols import EVALUATION_QUIRKS, protocol_of
from mindeye.quirks import Quirks
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.opening import OpenRun, open_artist, open_run, open_training
from mindeye.reconstruction.pipeline import Artist
from mindeye.reconstruction.run_networks import given_of
from mindeye.reconstruction.saved_pictures.opening import open_pictures, record_of
from mindeye.reconstruction.scoring import (
    derangement,
    permuted_row,
    picture_scores,
    score_rows,
)
from mindeye.reconstruction.settings import UNASKED, BatchAsked
from mindeye.report.tables import write_rows_tsv, write_tsv
from mindeye.run import RunFolder
from mindeye.targets.clip import ClipTarget, load_clip
from mindeye.targets.metric_networks.network import own_clip
from mindeye.types import MetricRow
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.trust_rows import trust_rows
from mindeye.verbs.evaluation.further_metrics import Further, FurtherAsked, opened_further
from mindeye.verbs.evaluation.pictures_beside import (
    CEILING,
    at_side,
    nearest_pictures,
    shown_pictures,
    true_token_pictures,
)
from mindeye.verbs.saved_results import read_manifest, read_pictures
from mindeye.verbs.switched_on import switched_on

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
    """Run, weights, subject, system, banner, protocol, judging networks, seed, inputs with their
    checksums; which `EVALUATION_QUIRKS` are on."""


def evaluate_folder(
    folder: Path,
    *,
    run_path: Path | None = None,
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    generator_source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    batch: BatchAsked = UNASKED,
    further: FurtherAsked | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores a folder of `mindeye reconstruct`; writes evaluation.json, .tsv and per_image.tsv.

    Images are matched by id. The ceiling is drawn with the same generator and number of steps.

    Args:
        run_path: the run that drew the folder, where it has moved since.
        data: the prepared folder that was drawn, where it has moved since.
        compat: the published system whose metrics are taken; None takes those of the run.
        quirk_settings: `name=on` or `name=off`, on top.
        generator_source, execution: of the generator that drew the folder, see `open_generator`;
            of refined pictures, of the one that drew what was refined.
        batch: how much of the ceiling is drawn at once.
        further: what is added; other numbers do not move with it.

    Raises:
        FileNotFoundError: no finished reconstructions, or their run is gone.
        ValueError: another run than the one that drew the folder, another generator, or a quirk
            that changes no score; or see `opened_further`.
        LookupError: an unknown system or quirk.
    """
    require_device(device)
    ours, manifest = read_pictures(folder), read_manifest(folder)
    about = manifest.about
    place = run_of(folder, about, run_path)
    on = switched_on(RunFolder(path=place), compat, quirk_settings, EVALUATION_QUIRKS)
    quirks = Quirks(**dict.fromkeys(on, True)).resolved()
    protocol = protocol_of(quirks)
    # Data that only test the run are not those that its provenance knows.
    data = data or (Path(about["data"]) if "data" in about else None)
    chosen = {"subject": about["subject"], "data": data, "given": given_of(about)}
    run = open_run(place, **chosen, device=device)
    require_same_test(folder, about, run.about)
    options = {"source": generator_source, "execution": execution}
    artist = open_artist(run, device, generator=manifest.settings.generator, **options)
    require_generator(folder, manifest.drawn_by, artist)
    more = _further_of(run, further, ours.image_ids)
    # A chain brings both to one size, and is published for pictures as they are stored.
    side = None if protocol.pixels.sides else ours.pictures.shape[1]
    shown = shown_pictures(run, ours.image_ids, side)
    rng = np.random.default_rng(seed)
    shuffled = ours.pictures[derangement(len(shown), rng)]
    drawn = true_token_pictures(run, artist, ours.image_ids, folder, manifest, progress, batch)
    nearest, reason = nearest_pictures(run, manifest, ours.image_ids, side)
    pictures = {
        about["system"]: ours.pictures,
        # Of refined pictures, that of the generator before.
        CEILING: at_side(drawn, side),
        SHUFFLED: shuffled,
        **({} if nearest is None else {NEAREST: nearest}),
        **({} if ours.blurry is None else {"blurry only": at_side(ours.blurry, side)}),
    }
    judges = own_clip(scoring_clip(artist, run, quirks))
    per_image = {
        name: picture_scores(one, shown, judges, protocol) for name, one in pictures.items()
    }
    rows = [row for system, scores in per_image.items() for row in score_rows(system, scores, rng)]
    rows.append(permuted_row(PERMUTED, ours.pictures, shown, judges["clip"], rng))
    rows += trust_rows(folder, about["system"], per_image[about["system"]], ours.image_ids, rng)
    about = {
        **about,
        "metrics": protocol.pixels.describe(),
        "metric_protocol": protocol.describe(),
        "quirks": list(on),
        "judges": {name: one.identity for name, one in judges.items()},
        "seed": seed,
        "inputs": {
            "reconstructions": record_of(open_pictures(folder)),
            "images": record_of(open_pictures(run.prepared.path)),
        },
    }
    about |= {"without": {NEAREST: reason}} if reason else {}
    if more is not None:
        some = {name: pictures[name] for name in (about["system"], SHUFFLED)}
        found = more.scores(some, shown, judges, protocol, seed)
        about |= {**found.about, "notes": found.notes}
        about["judges"] |= found.judges
        rows, per_image = [*rows, *found.rows], found.joined_to(per_image)
    result = Evaluation(rows=rows, per_image=per_image, image_ids=ours.image_ids, about=about)
    save_evaluation(result, folder)
    return result


def _further_of(run: OpenRun, asked: FurtherAsked | None, image_ids: np.ndarray) -> Further | None:
    if asked is None:
        return None
    training = open_training(run)[0] if asked.brain else None
    return opened_further(asked, image_ids, SHUFFLED, run.prepared, training)


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


def require_same_test(folder: Path, drawn: Mapping[str, Any], opened: Mapping[str, Any]) -> None:
    """Refuses the images of another protocol or task than the folder's.

    Raises:
        ValueError: names both.
    """
    if "trained_by" not in drawn and "trained_by" not in opened:
        return
    names = [
        " ".join(str(one[key]) for key in ("protocol", "task") if one.get(key))
        for one in (drawn, opened)
    ]
    if names[0] != names[1]:
        raise ValueError(
            f"{folder} holds images of {names[0]}, but the data are of {names[1]}. "
            "Give the prepared folder that was drawn with --data."
        )


def require_generator(folder: Path, drawn_by: str, artist: Artist) -> None:
    """Refuses another generator than the folder's: it cannot draw the ceiling.

    Raises:
        ValueError: names both.
    """
    if artist.generator.identity != drawn_by:
        raise ValueError(
            f"{folder} was drawn by {drawn_by}, but here is {artist.generator.identity}: "
            "its ceiling cannot be drawn. Restore that generator, or draw the folder again."
        )


def scoring_clip(artist: Artist, run: OpenRun, quirks: Quirks) -> ClipTarget:
    """The CLIP that identifies pictures, on the CPU, where they are."""
    # Never washed out nor of other tokens, whatever the run learned: it judges pictures, and the
    # published metrics show them to CLIP in their true colours.
    loaded, antialias = artist.clip, not quirks.aliased_resizing
    is_here = next(loaded.model.parameters()).device.type == "cpu"
    is_plain = not loaded.washed_out and loaded.form == "projected"
    if is_here and is_plain and loaded.antialias == antialias:
        return loaded
    return load_clip(run.provenance["paths"]["clip"], antialias=antialias)


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
