"""`mindeye report`: a run folder -> one self-contained page and summary.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindeye.files import read_json, write_json
from mindeye.metrics.statistics import bootstrap_interval
from mindeye.reconstruction.opening import OpenRun, open_run
from mindeye.reconstruction.pipeline import load_reconstruction
from mindeye.report.grids import PictureGrid
from mindeye.report.page import ReportContent, write_report
from mindeye.report.plots import RoiContribution
from mindeye.report.tables import rows_as_records
from mindeye.training.roi_contribution import region_scores
from mindeye.types import MetricRow
from mindeye.verbs.evaluate import shown_pictures

GRID_IMAGES = 12


@dataclass(frozen=True, kw_only=True)
class ReportParts:
    """Where the parts of a report lie, and how to draw its random images."""

    run: Path
    reconstructions: Path
    seed: int = 0
    subject: int | None = None
    data: Path | None = None


def report_run(
    parts: ReportParts,
    out: Path,
    *,
    more_rows: Sequence[MetricRow] = (),
    controls: Sequence[MetricRow] = (),
    notes: Sequence[str] = (),
    more_columns: dict[str, Path] | None = None,
) -> Path:
    """Writes `out` from RUN/retrieval.json and the folder's evaluation.json, if there.

    Args:
        more_rows: rows of other systems, such as baselines.
        controls: floors, ceilings, subjects without signal.
        more_columns: label -> folder of further reconstructions of the same images.
    """
    run = open_run(parts.run, subject=parts.subject, data=parts.data)
    rows = [
        *_saved_rows(parts.run / "retrieval.json"),
        *_saved_rows(parts.reconstructions / "evaluation.json"),
    ]
    content = ReportContent(
        title=f"Subject {run.prepared.subject}: what was seen, decoded from the scan",
        simulated=run.prepared.manifest["simulated"],
        provenance=_provenance(run),
        rows=[*(row for row in rows if not _is_control(row)), *more_rows],
        controls=[*(row for row in rows if _is_control(row)), *controls],
        pictures=_grids(run, parts, more_columns or {}),
        curves=training_curves(run.folder.read_log()),
        roi_contribution=_contributions(run, parts.seed),
        notes=notes,
    )
    write_report(out, content)
    return out


def training_curves(log: Sequence[dict]) -> dict[str, tuple[list[int], list[float]]]:
    """Log lines -> name -> (steps, values)."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for record in log:
        for name, value in record.items():
            if name != "step":
                steps, values = curves.setdefault(name.replace("validation_", ""), ([], []))
                steps.append(record["step"])
                values.append(value)
    return curves


def save_summary(path: Path, rows: Sequence[MetricRow], simulated: dict | None) -> None:
    """summary.json: the table's rows and the banner."""
    write_json(path, {"simulated": simulated, "rows": rows_as_records(rows)})


def _is_control(row: MetricRow) -> bool:
    return row.system.startswith(("floor", "ceiling"))


def _saved_rows(path: Path) -> list[MetricRow]:
    return [MetricRow(**row) for row in read_json(path)["rows"]] if path.exists() else []


def _provenance(run: OpenRun) -> dict:
    manifest = run.prepared.manifest
    keys = ("dataset", "subject", "beta_version", "roi", "num_voxels", "voxel_hash", "protocol")
    splits = {
        split: f"{found['num_images']} images, {found['num_trials']} trials"
        for split, found in manifest["splits"].items()
    }
    return {
        "data": {key: manifest[key] for key in keys}
        | {
            "sessions": manifest["sessions"],
            "z-scoring": manifest["zscore"],
            "steps that saw the test set": manifest["transductive"],
            **splits,
        },
        "training": {"seed": run.provenance["seed"], "run": str(run.folder.path)},
        "versions": run.provenance["versions"],
    }


def _grids(run: OpenRun, parts: ReportParts, more: dict[str, Path]) -> list[PictureGrid]:
    if not (parts.reconstructions / "reconstructions.safetensors").exists():
        return []
    ours = load_reconstruction(parts.reconstructions)
    total = len(ours.image_ids)
    rows = np.sort(np.random.default_rng(parts.seed).permutation(total)[:GRID_IMAGES])
    ids = ours.image_ids[rows]
    side = ours.pictures.shape[1]
    columns = {"shown": shown_pictures(run, ids, side)}
    if ours.blurry is not None:
        columns["blurry"] = ours.blurry[rows]
    columns["reconstruction"] = ours.pictures[rows]
    for label, folder in more.items():
        columns[label] = load_reconstruction(folder).pictures[rows]
    retrieval = parts.run / "retrieval.json"
    found = None
    if retrieval.exists():
        saved = read_json(retrieval)
        row_of = {image_id: row for row, image_id in enumerate(saved["image_ids"])}
        found = np.array([saved["found_ids"][row_of[image_id]] for image_id in ids.tolist()])
    captions = run.prepared.captions
    grid = PictureGrid(
        title="Shown, decoded, retrieved",
        chosen=f"{len(rows)} of {total} reconstructed test images, drawn at random; none left out.",
        seed=parts.seed,
        image_ids=ids,
        captions=tuple(captions.get(image_id, "") for image_id in ids.tolist()),
        columns=columns,
        retrieved=None
        if found is None
        else shown_pictures(run, found.ravel(), side).reshape(*found.shape, side, side, 3),
        retrieved_ids=found,
    )
    return [grid]


def _contributions(run: OpenRun, seed: int) -> list[RoiContribution]:
    regions = {roi: mask for roi, mask in run.prepared.roi_of_voxels().items() if mask.sum() >= 10}
    if not regions:
        return []
    scores = region_scores(
        run.prepared.repeats("train"), run.prepared.repeats("test"), run.targets, regions, seed=seed
    )
    rng = np.random.default_rng(seed)
    found = []
    for name, pick in (("meaning (CLIP embedding)", "meaning"), ("look (VAE latents)", "look")):
        for one in scores:
            value, low, high = bootstrap_interval(getattr(one, pick), rng)
            found.append(
                RoiContribution(
                    roi=one.roi,
                    num_voxels=one.num_voxels,
                    metric=f"two-way identification by {name}",
                    value=value,
                    low=low,
                    high=high,
                    chance=0.5,
                )
            )
    return found
