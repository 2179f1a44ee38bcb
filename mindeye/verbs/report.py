"""`mindeye report`: a run folder -> one self-contained page and summary.json."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindeye.analysis.regions_alone import region_scores
from mindeye.files import write_json
from mindeye.metrics.statistics import bootstrap_interval
from mindeye.reconstruction.opening import OpenRun, Progress, open_run
from mindeye.report.page import ReportContent, write_report
from mindeye.report.plots import RoiContribution
from mindeye.report.retrieval_page import audit_notes, benchmark_sections
from mindeye.report.tables import rows_as_records
from mindeye.types import MetricRow
from mindeye.verbs.report_parts import ReportParts, SavedParts, saved_parts
from mindeye.verbs.report_pictures import report_grids

VALIDATION = "validation_"


def report_run(
    parts: ReportParts,
    out: Path,
    *,
    more_rows: Sequence[MetricRow] = (),
    controls: Sequence[MetricRow] = (),
    notes: Sequence[str] = (),
    more_columns: dict[str, Path] | None = None,
    progress: Progress | None = None,
) -> ReportContent:
    """Writes `out` from RUN/retrieval.json and a folder of reconstructions with its scores.

    Figures of RUN/bench, where `mindeye bench retrieval` has written it, stand there too.

    Args:
        more_rows: rows of other systems, such as baselines.
        controls: floors, ceilings, subjects without signal.
        more_columns: label -> folder of further reconstructions of the same images, in any order.
        progress: told how many pictures are embedded, where they are not there yet.

    Raises:
        FileNotFoundError: no finished run, or no reconstructions at the place that was given.
        ValueError: retrieval, reconstructions or a column are of another run, subject or images.
    """
    opening = {"subject": parts.subject, "data": parts.data, "given": parts.given}
    run = open_run(parts.run, **opening, progress=progress)
    about = run.about
    if run.prepared.is_test_only:
        raise ValueError(
            f"A report shows the run's own test images, but {run.prepared.path} holds those of "
            f"{about['protocol']}. Leave --data out; `mindeye evaluate` scores that folder."
        )
    saved = saved_parts(parts, about)
    scores = [one for one in (saved.retrieval, saved.evaluation) if one is not None]
    rows = [row for one in scores for row in one.rows]
    content = ReportContent(
        title=f"Subject {run.prepared.subject}: what was seen, decoded from the scan",
        lead=" ".join(saved.missing),
        simulated=about["simulated"],
        provenance=_provenance(run, saved),
        rows=[*(row for row in rows if not _is_control(row)), *more_rows],
        controls=[*(row for row in rows if _is_control(row)), *controls],
        pictures=report_grids(run, about, saved, parts.seed, more_columns or {}),
        curves=training_curves(run.folder.read_log()),
        roi_contribution=_contributions(run, parts.seed),
        sections=[] if saved.benchmark is None else benchmark_sections([saved.benchmark]),
        notes=[*notes, *([] if saved.benchmark is None else audit_notes([saved.benchmark]))],
    )
    write_report(out, content)
    return content


def training_curves(log: Sequence[dict]) -> dict[str, tuple[list[int], list[float]]]:
    """Log lines -> `panel/training` or `panel/validation ...` -> (steps, values).

    `validation_top1_subj01` shares the panel of `top1`, so that the two can be compared.
    """
    names = dict.fromkeys(name for record in log for name in record if name != "step")
    panels = [name for name in names if not name.startswith(VALIDATION)]
    curves = {}
    for name in names:
        pairs = [(record["step"], record[name]) for record in log if name in record]
        steps, values = (list(column) for column in zip(*pairs, strict=True))
        curves[_curve_name(name, panels)] = (steps, values)
    return curves


def _curve_name(name: str, panels: Sequence[str]) -> str:
    if not name.startswith(VALIDATION):
        return f"{name}/training"
    name = name.removeprefix(VALIDATION)
    panel = next((one for one in panels if name == one or name.startswith(f"{one}_")), name)
    return f"{panel}/validation {name.removeprefix(panel).lstrip('_')}".rstrip()


def save_summary(path: Path, rows: Sequence[MetricRow], simulated: dict | None) -> None:
    """summary.json: the table's rows and the banner."""
    write_json(path, {"simulated": simulated, "rows": rows_as_records(rows)})


def _is_control(row: MetricRow) -> bool:
    return row.system.startswith(("floor", "ceiling", "chance"))


def _provenance(run: OpenRun, saved: SavedParts) -> dict:
    manifest = run.prepared.manifest
    keys = ("dataset", "subject", "beta_version", "roi", "num_voxels", "voxel_hash", "protocol")
    splits = {
        split: f"{found['num_images']} images, {found['num_trials']} trials"
        for split, found in manifest["splits"].items()
    }
    quirks_of = {"training": run.folder.quirks().switched_on()}
    for name, scores in (("retrieval", saved.retrieval), ("evaluation", saved.evaluation)):
        if scores is not None:
            quirks_of[name] = scores.content.get("quirks", [])
    return {
        "data": {key: manifest[key] for key in keys}
        | {
            "sessions": manifest["sessions"],
            "z-scoring": manifest["zscore"],
            "steps that saw the test set": manifest["transductive"],
            **splits,
        },
        "training": _training(run),
        "quirks": {name: ", ".join(on) or "none" for name, on in quirks_of.items()},
        "versions": run.provenance["versions"],
    }


def _training(run: OpenRun) -> dict:
    if "given" not in run.provenance:
        return {"seed": run.provenance["seed"], "run": str(run.folder.path)}
    converted = run.provenance["converted"]
    files = ", ".join(one["name"] for one in converted["files"])
    return {
        "run": str(run.folder.path),
        "converted from": f"{files} ({converted['family']})",
        **{f"{role.upper()}, as given": one for role, one in run.provenance["networks"].items()},
    }


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
