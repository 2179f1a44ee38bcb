"""The pictures of a report: some drawn at random, and those that are not to be trusted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from mindeye.reconstruction.opening import OpenRun
from mindeye.report.grids import PictureGrid
from mindeye.verbs.drawing.calibration import marks_of, read_uncertainty
from mindeye.verbs.drawing.captions_beside import kept_captions
from mindeye.verbs.evaluation.pictures_beside import shown_pictures
from mindeye.verbs.report_parts import SavedParts
from mindeye.verbs.saved_results import (
    found_images,
    pictures_of,
    read_manifest,
    require_same_run,
)

GRID_IMAGES = 12


def report_grids(
    run: OpenRun, about: Mapping[str, Any], saved: SavedParts, seed: int, more: dict[str, Path]
) -> list[PictureGrid]:
    """Some images drawn at random and, where trust was calibrated, those that are marked."""
    ours = saved.pictures
    if ours is None:
        return []
    for label, folder in more.items():
        advice = f"Draw column `{label}` again, or leave it out."
        require_same_run(folder, read_manifest(folder).about, about, advice)
    total = len(ours.image_ids)
    rows = np.sort(np.random.default_rng(seed).permutation(total)[:GRID_IMAGES])
    doubts = read_uncertainty(saved.folder)
    chosen = f"{len(rows)} of {total} reconstructed test images, drawn at random; none left out."
    chosen = chosen if doubts is None else f"{chosen} {doubts['sentence']}"
    title = "Shown, decoded, retrieved"
    grids = [_grid(run, saved, more, rows, title=title, chosen=chosen, seed=seed)]
    marked = [] if doubts is None else marked_rows(ours.image_ids, doubts["images"])
    if len(marked):
        rows = marked[:GRID_IMAGES]
        chosen = f"{len(rows)} of the {len(marked)} marked ones of {total} reconstructed test "
        chosen += "images: those of which least is expected, least first."
        grids.append(_grid(run, saved, more, rows, title="Not to be trusted", chosen=chosen))
    return grids


def marked_rows(
    image_ids: Int[np.ndarray, "images"], told: Mapping[int, Mapping[str, Any]]
) -> Int[np.ndarray, "marked"]:
    """Places of the pictures that are not to be trusted, by what is expected of them, rising."""
    of_image = [told[one] for one in image_ids.tolist()]
    marked = [row for row, one in enumerate(of_image) if not one["is_trusted"]]
    marked.sort(key=lambda row: of_image[row]["expected_two_way"])
    return np.array(marked, dtype=np.int64)


def _grid(
    run: OpenRun,
    saved: SavedParts,
    more: Mapping[str, Path],
    rows: Int[np.ndarray, "images"],
    *,
    title: str,
    chosen: str,
    seed: int | None = None,
) -> PictureGrid:
    """These images, with everything that is known of them."""
    ours = saved.pictures
    ids, side = ours.image_ids[rows], ours.pictures.shape[1]
    columns = {"shown": shown_pictures(run, ids, side)}
    if ours.blurry is not None:
        columns["blurry"] = ours.blurry[rows]
    columns["reconstruction"] = ours.pictures[rows]
    for label, folder in more.items():
        columns[label] = pictures_of(folder, ours.image_ids, ids)
    found = None
    if saved.retrieval is not None:
        subject = run.prepared.subject
        advice = f"Run `mindeye retrieve {run.folder.path} --subject {subject}` again."
        found = found_images(saved.retrieval, ids, advice)
    marks = marks_of(saved.folder)
    return PictureGrid(
        title=title,
        chosen=chosen,
        seed=seed,
        image_ids=ids,
        captions=captions_on_page(run, saved.folder, ids),
        marks=tuple(marks.get(image_id, "") for image_id in ids.tolist()) if marks else (),
        columns=columns,
        retrieved=None
        if found is None
        else shown_pictures(run, found.ravel(), side).reshape(*found.shape, side, side, 3),
        retrieved_ids=found,
    )


def captions_on_page(run: OpenRun, folder: Path, ids: np.ndarray) -> tuple[str, ...]:
    """What a person wrote about each image, as far as that is known, and what was decoded."""
    written, decoded = run.prepared.captions, kept_captions(folder)
    found = []
    for image_id in ids.tolist():
        texts = [written.get(image_id, "")]
        if image_id in decoded:
            texts.append(f"Decoded: {decoded[image_id]}")
        found.append(" ".join(text for text in texts if text))
    return tuple(found)
