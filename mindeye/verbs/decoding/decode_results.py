"""The end of a decoding: files, a comparison with noise, and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from mindeye.data.scans.results import CHECKS, FAILED, PASSED, CheckResult
from mindeye.files import write_json
from mindeye.pictures import save_png
from mindeye.reconstruction.decoded_folder import (
    NULL,
    decode_images,
    drop_parts,
    picture_name,
    write_arrays,
)
from mindeye.reconstruction.image_decoder import STAGES
from mindeye.reconstruction.null_decode import (
    TOO_FEW,
    NullComparison,
    null_comparison,
    voxel_orders,
)
from mindeye.reconstruction.repeat_likeness import RepeatLikeness, repeat_likeness
from mindeye.report.decode_page import DecodePage, decode_content, latency_table
from mindeye.report.page import write_report
from mindeye.report.tables import rows_as_records, write_tsv
from mindeye.types import MetricRow
from mindeye.verbs.decoding.decode_gallery import Gallery
from mindeye.verbs.decoding.decoded_scan import (
    GRID_IMAGES,
    TRIAL_COLUMNS,
    DecodedScan,
    picture_grids,
    score_rows,
)

SUMMARY = "decode.json"
COLUMNS = (*TRIAL_COLUMNS, "picture", "score", "retrieved", "repeats_alike")


@dataclass(frozen=True, kw_only=True)
class DecodeSummary:
    """What is said in the end."""

    verdict: str
    notes: Sequence[str]
    num_pictures: int
    simulated: Mapping[str, Any] | None


def write_results(
    out: Path, decoded: DecodedScan, gallery: Gallery | None, *, keep_parts: bool = False
) -> DecodeSummary:
    """Writes everything but the parts; `decode.json` comes last and says that all is there."""
    seed = decoded.decoder.config.seed
    write_arrays(out, decoded.arrays)
    found = None if gallery is None else gallery.find(decoded.arrays["embeddings"])
    likeness = repeat_likeness(
        decoded.decoder.run.decoder,
        decoded.decoder.run.subject,
        decoded.repeats_of,
        decoded.sessions_of(),
        seed=seed,
    )
    write_tsv(
        out / "trials.tsv",
        COLUMNS,
        _trial_cells(decoded, found, likeness),
        simulated=decoded.about["simulated"],
    )
    comparison = null_comparison(
        decoded.decoder.run.decoder,
        decoded.decoder.run.subject,
        np.stack([betas.mean(0) for betas in decoded.repeats_of.values()]),
        seed=seed,
    )
    shown = np.sort(np.random.default_rng(seed).permutation(len(decoded.numbers))[:GRID_IMAGES])
    null = _drawn_null(out, decoded, shown)
    rows = score_rows(decoded, comparison, likeness, null, shown, gallery, found)
    seconds = dict(zip(STAGES, decoded.arrays["seconds"].T))
    verdict = verdict_of(comparison, likeness)
    checks = with_predictions(decoded.checks, comparison, likeness)
    page = DecodePage(
        subject=decoded.decoder.run.subject,
        simulated=decoded.about["simulated"],
        verdict=verdict,
        notes=decoded.notes,
        rows=rows,
        grids=picture_grids(out, decoded, null, shown, gallery, found),
        scan=decoded.scan,
        checks={one.name: f"{one.status}: {one.text}" for one in checks},
        seconds=seconds,
        about=decoded.about,
    )
    write_report(out / "report.html", decode_content(page))
    num_pictures = len(decoded.arrays.get("pictures", ()))
    summary = DecodeSummary(
        verdict=verdict,
        notes=decoded.notes,
        num_pictures=num_pictures,
        simulated=decoded.about["simulated"],
    )
    write_json(
        out / SUMMARY, _summary(decoded, summary, checks, comparison, likeness, rows, seconds)
    )
    if not keep_parts:
        drop_parts(out)
    drop_parts(out / NULL)
    return summary


def verdict_of(comparison: NullComparison | None, likeness: RepeatLikeness | None) -> str:
    """Whether the scan says more than noise, and whether its repeats say the same."""
    told = TOO_FEW if comparison is None else comparison.sentence
    return told if likeness is None else f"{told} {likeness.sentence}"


def with_predictions(
    checks: Sequence[CheckResult],
    comparison: NullComparison | None,
    likeness: RepeatLikeness | None,
) -> list[CheckResult]:
    """The last check as far as decoding has shown."""
    if comparison is None:
        return list(checks)
    unlike = likeness is not None and likeness.can_tell and not likeness.is_clear
    status = PASSED if comparison.is_clear and not unlike else FAILED
    seen = verdict_of(comparison, likeness)
    predictions = CheckResult(name=CHECKS[-1], status=status, seen=seen)
    return [*(one for one in checks if one.name != CHECKS[-1]), predictions]


def _summary(
    decoded: DecodedScan,
    summary: DecodeSummary,
    checks: Sequence[CheckResult],
    comparison: NullComparison | None,
    likeness: RepeatLikeness | None,
    rows: Sequence[MetricRow],
    seconds: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    null = None
    if comparison is not None:
        null = {
            "spread": comparison.spread,
            "spread_of_shuffles": list(comparison.null),
            "distance": comparison.distance,
            "p_value": comparison.p_value,
            "is_clear": comparison.is_clear,
        }
    repeats = None
    if likeness is not None:
        repeats = {
            "images": len(likeness.of_trials),
            "trials": likeness.num_trials,
            "alike": float(likeness.alike.mean()),
            "different": float(likeness.different.mean()),
            "difference": likeness.difference,
            "p_value": likeness.p_value,
            "is_clear": likeness.is_clear,
        }
    return {
        "about": dict(decoded.about),
        "scan": dict(decoded.scan),
        "checks": [vars(one) for one in checks],
        "null": null,
        "repeats": repeats,
        "rows": rows_as_records(rows),
        "latency": latency_table(seconds),
        "verdict": summary.verdict,
        "notes": list(summary.notes),
        "num_pictures": summary.num_pictures,
        "simulated": summary.simulated,
    }


def _trial_cells(
    decoded: DecodedScan, found: np.ndarray | None, likeness: RepeatLikeness | None
) -> list[tuple[object, ...]]:
    row_of = {number: row for row, number in enumerate(decoded.numbers.tolist())}
    scores, chosen = (decoded.arrays.get(name) for name in ("scores", "chosen"))
    known = {} if likeness is None else likeness.of_trials
    # The trials of an image stand in the table in the order in which they were decoded.
    alike_of = {number: iter(values.tolist()) for number, values in known.items()}
    cells = []
    for trial in decoded.trials:
        row = None if trial.number is None else row_of[trial.number]
        drawn = row is not None and "pictures" in decoded.arrays
        cells.append(
            (
                *trial.cells,
                f"pictures/{picture_name(trial.number)}" if drawn else None,
                f"{scores[row, chosen[row]]:.6f}" if drawn else None,
                None if row is None or found is None else " ".join(map(str, found[row])),
                f"{next(alike_of[trial.number]):.6f}" if trial.number in alike_of else None,
            )
        )
    return cells


def _drawn_null(
    out: Path, decoded: DecodedScan, shown: Int[np.ndarray, "shown"]
) -> dict[str, np.ndarray]:
    """The images that are shown, drawn again from shuffled voxels; also kept as files."""
    decoder = decoded.decoder
    num_voxels = decoder.run.bundle.num_voxels
    (order,) = voxel_orders(num_voxels, decoder.config.seed, 1)
    chosen = decoded.numbers[shown].tolist()
    shuffled = {number: decoded.repeats_of[number][:, order] for number in chosen}
    null = decode_images(decoder, shuffled, out / NULL)
    for number, picture in zip(chosen, null.get("pictures", ())):
        save_png(picture, out / NULL / picture_name(number))
    return null
