"""`mindeye analyse`: what a run's voxels say, and where: figures, tables, maps, a page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.analysis.maps import map_volume, save_map
from mindeye.data.roi import read_volume
from mindeye.files import load_arrays, read_json, save_arrays, write_json
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.opening import OpenRun, open_run
from mindeye.report.brain_maps import can_draw_glass_brains, glass_brains, slice_mosaics
from mindeye.report.page import FigureSection, ReportContent, write_report
from mindeye.report.point_plots import draw_histograms, draw_points
from mindeye.report.tables import write_tsv
from mindeye.retrieval.pools import require_pool
from mindeye.types import AnalysisPoint
from mindeye.verbs.analysis.analysis_material import AbsentError, Analysis, Findings, Progress
from mindeye.verbs.analysis.analysis_parts import PARTS
from mindeye.verbs.device import require_device

SUMMARY = "analysis.json"
COLUMNS = tuple(AnalysisPoint.__dataclass_fields__)
DEFAULT_POOL = 100

WORDS = {
    "regions": "Ridge regression with a penalty of its own for each region. Alone: as many voxels "
    "as the smallest region has, drawn by the seed. Total: all voxels of the region; unique: what "
    "all voxels explain beyond all others; shared: the difference, below zero where two regions "
    "tell something only together. Regions overlap, so shares do not add up. Silencing sets a "
    "region to its training mean in the trained decoder: it tells what this decoder leans on.",
    "repeats": "The mean over all choices of so many repeats, and each showing alone.",
    "sessions": "Single trials of test images among all test images; and ridge regression on the "
    "first sessions alone (not the run, which saw all).",
    "ceiling": "Noise ceiling: the share of variance that repeats, for as many repeats as the test "
    "images have. Reached: explained variance of unseen scans over the ceiling, unclipped.",
    "patterns": "How much each voxel changes with the main axes of the decoded CLIP embedding "
    "(Haufe et al. 2014), from single test trials; weights of a decoder would also light up where "
    "noise is subtracted.",
}
GLASS = "The same maps in a standard brain's outline, drawn by nilearn."


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """What was found, part by part, and what could not be."""

    findings: dict[str, Findings]
    absent: dict[str, str]
    """Part -> why it is not there."""
    about: dict[str, Any]


def analyse_run(
    run_path: Path,
    out: Path,
    *,
    subject: int | None = None,
    data: Path | None = None,
    parts: Sequence[str] | None = None,
    pool_size: int = DEFAULT_POOL,
    background: Path | None = None,
    seed: int = 0,
    given: GivenNetworks = NONE_GIVEN,
    device: str = "cpu",
    progress: Progress = lambda stage, done, total: None,
) -> Analysed:
    """Does the parts, each kept as soon as it is done, and writes tables, maps and the page.

    Args:
        parts: some of `PARTS`; None does all for which there is data.
        background: a volume of the scan's grid, such as NSD's T1_to_func1pt8mm.nii.gz.
        given: CLIP and VAE of a converted run, which does not name them.

    Raises:
        AbsentError: a part that was asked for by name lacks its data.
        LookupError: no such part.
        ValueError: `out` holds something else, or a background of another grid.
    """
    require_device(device)
    wanted = require_parts(parts)
    opening = {"subject": subject, "data": data, "device": device, "given": given}
    run = open_run(run_path, **opening, progress=partial(progress, "pictures"))
    num_images = run.prepared.manifest["splits"]["test"]["num_images"]
    pool_size = min(pool_size, num_images)
    require_pool(pool_size, num_images)
    about = {**run.about, "seed": seed, "pool_size": pool_size}
    _require_own_folder(out, about)
    ground = None if background is None else _background(background, run)
    analysis = Analysis(run=run, pool_size=pool_size, seed=seed, progress=progress)
    findings, absent = {}, {}
    for name in wanted:
        try:
            findings[name] = _kept(out, name, about, analysis)
        except AbsentError as error:
            if parts is not None:
                raise
            absent[name] = str(error)
    found = Analysed(findings=findings, absent=absent, about=about)
    _write(out, found, run, ground)
    return found


def require_parts(parts: Sequence[str] | None) -> tuple[str, ...]:
    """The parts to do, in their own order.

    Raises:
        LookupError: no such part.
    """
    unknown = sorted(set(parts or ()) - PARTS.keys())
    if unknown:
        raise LookupError(f"There is no part `{unknown[0]}`. Choose of {', '.join(PARTS)}.")
    return tuple(name for name in PARTS if parts is None or name in parts)


def _kept(out: Path, name: str, about: Mapping[str, Any], analysis: Analysis) -> Findings:
    """A part's findings, from the disk where it is already done."""
    place = out / "parts" / name
    if (place / "findings.json").exists():
        content = read_json(place / "findings.json")
        maps = load_arrays(place / "maps.safetensors") if content["has_maps"] else {}
        points = [AnalysisPoint(**point) for point in content["points"]]
        return Findings(points=points, maps=maps, notes=content["notes"])
    found = PARTS[name](analysis)
    place.mkdir(parents=True, exist_ok=True)
    write_json(out / "about.json", dict(about))
    if found.maps:
        save_arrays(place / "maps.safetensors", found.maps)
    points = [asdict(point) for point in found.points]
    content = {"points": points, "notes": found.notes, "has_maps": bool(found.maps)}
    write_json(place / "findings.json", content)
    return found


def _require_own_folder(out: Path, about: Mapping[str, Any]) -> None:
    """Refuses a folder of anything but this very analysis."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "about.json").is_file():
        raise ValueError(f"{out} exists and holds no analysis. Choose another folder with --out.")
    there = read_json(out / "about.json")
    # Run and given networks may have moved: `weights` and `networks` tell them from others.
    moves = ("run", "given")
    differing = sorted(
        name for name in about if there.get(name) != about[name] and name not in moves
    )
    if differing:
        name = differing[0]
        raise ValueError(
            f"{out} holds an analysis with {name} {there.get(name)}, not {about[name]}. "
            "Choose another folder with --out."
        )


def _background(path: Path, run: OpenRun) -> np.ndarray:
    volume, _ = read_volume(path)
    if volume.shape != run.prepared.bundle.shape:
        raise ValueError(
            f"{path} has grid {volume.shape}, but the voxels lie on {run.prepared.bundle.shape}. "
            "Give a volume of the scan's own grid."
        )
    return volume.astype(np.float32)


def _write(out: Path, found: Analysed, run: OpenRun, background: np.ndarray | None) -> None:
    points = [point for one in found.findings.values() for point in one.points]
    simulated = found.about["simulated"]
    cells = ([getattr(point, name) for name in COLUMNS] for point in points)
    write_tsv(out / "analysis.tsv", COLUMNS, cells, simulated=simulated)
    on_grid = run.prepared.bundle.coordinates is not None
    maps = {name: one for part in found.findings.values() for name, one in part.maps.items()}
    if on_grid:
        (out / "maps").mkdir(exist_ok=True)
        for name, values in maps.items():
            save_map(out / "maps" / f"{name.replace(' ', '_')}.nii.gz", run.prepared.bundle, values)
    content = ReportContent(
        title=f"Subject {run.prepared.subject}: what its voxels say, and where",
        simulated=simulated,
        provenance={name: one for name, one in found.about.items() if name != "simulated"},
        sections=_sections(found, run, background),
        notes=[
            *(note for one in found.findings.values() for note in one.notes),
            *found.absent.values(),
            *_map_notes(run, maps),
        ],
        lead="Intervals: 95 %, bootstrap over images. Dashed: chance.",
    )
    write_report(out / "report.html", content)
    summary = {"about": found.about, "absent": found.absent}
    summary["points"] = [asdict(point) for point in points]
    summary["notes"] = list(content.notes)
    write_json(out / SUMMARY, summary)


def _sections(found: Analysed, run: OpenRun, background: np.ndarray | None) -> list[FigureSection]:
    sections, bundle = [], run.prepared.bundle
    for name, one in found.findings.items():
        if one.points:
            draw = partial(draw_points, one.points)
            sections.append(FigureSection(title=name.capitalize(), words=WORDS[name], draw=draw))
        if name == "ceiling":
            draw = partial(draw_histograms, one.maps)
            words = "How the values are spread over voxels; the upright line is the median."
            sections.append(FigureSection(title="Voxels", words=words, draw=draw))
        if one.maps and bundle.coordinates is not None:
            volumes = {title: map_volume(bundle, values) for title, values in one.maps.items()}
            draw = partial(slice_mosaics, volumes, background=background)
            words = "Slices of the scan's grid from below to above, the front up."
            words = words if one.points else f"{WORDS[name]} {words}"
            sections.append(FigureSection(title=f"Maps: {name}", words=words, draw=draw))
            if is_mni(bundle.space) and can_draw_glass_brains():
                glass = partial(glass_brains, volumes, bundle.affine)
                sections.append(
                    FigureSection(title=f"Glass brain: {name}", words=GLASS, draw=glass)
                )
    return sections


def is_mni(space: str) -> bool:
    """Whether coordinates of a space are MNI's, so that a standard brain's outline fits."""
    return space.upper().startswith("MNI")


def _map_notes(run: OpenRun, maps: Mapping[str, np.ndarray]) -> list[str]:
    bundle = run.prepared.bundle
    if not maps:
        return []
    if bundle.coordinates is None:
        return ["These voxels have no coordinates, so there are no maps of them."]
    notes = []
    if run.prepared.manifest["dataset"] == "nsd":
        notes.append(
            "NSD's functional affine is a placeholder: the maps fit other files of this subject "
            "and space, and are not registered to any anatomy."
        )
    if is_mni(bundle.space) and not can_draw_glass_brains():
        notes.append("Glass brains are drawn by nilearn: pip install 'mindeye[glm]'.")
    return notes
