"""The parts of `mindeye analyse`: repeats, sessions, noise ceiling and patterns; regions beside."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from mindeye.analysis.noise_ceiling import (
    NUM_GROUPS,
    ceiling_groups,
    encoding_correlation,
    median_in,
    noise_ceiling,
    reached,
)
from mindeye.analysis.patterns import activation_patterns, principal_axes
from mindeye.analysis.points import point_of
from mindeye.analysis.repeats import repeat_curves
from mindeye.analysis.sessions import ridge_by_sessions, session_scores
from mindeye.verbs.analysis.analysis_material import TWO_WAY, AbsentError, Analysis, Findings
from mindeye.verbs.analysis.analysis_regions import regions_part

NUM_AXES = 3


def repeats_part(analysis: Analysis) -> Findings:
    """Retrieval by the number of repeats averaged, and by which showing it was."""
    if analysis.test.present.shape[1] < 2:
        raise AbsentError(
            "Every test image was shown once. There is no curve over repeats; leave out `repeats`."
        )
    rng = analysis.rng()
    test, images = analysis.test, analysis.image_embeddings
    curves = repeat_curves(analysis.run.decoder, test, images, analysis.pool_size)
    about = {"measure": f"image retrieval top-1 of {curves.pool_size}", "series": "mindeye"}
    about |= {"chance": 1 / curves.pool_size, "within": (0.0, 1.0)}
    points = [
        point_of(values, rng, figure=figure, place=float(place), **about)
        for figure, values_of in (
            ("repeats averaged", curves.by_count),
            ("first, second ... showing alone", curves.by_showing),
        )
        for place, values in values_of.items()
    ]
    note = f"Repeats: {curves.num_images} of {len(images)} test images were shown "
    return Findings(points=points, notes=[f"{note}{test.present.shape[1]} times, and count here."])


def sessions_part(analysis: Analysis) -> Findings:
    """Single trials session by session, and ridge regression on more and more sessions."""
    prepared, rng = analysis.run.prepared, analysis.rng()
    table = prepared.table("test")
    if len(np.unique(table.sessions)) < 2:
        raise AbsentError(
            f"The test trials of {prepared.path} name one session or none. "
            "There is no curve over sessions; leave out `sessions`."
        )
    points = []
    decoder, images = analysis.run.decoder, analysis.image_embeddings
    ids = analysis.test.image_ids.numpy()
    single = {"figure": "single trials, session by session", "series": "mindeye"}
    for one in session_scores(decoder, table, prepared.subject, ids, images):
        if len(one.beaten) > 1:
            about = {"measure": "share of other test images less similar", "chance": 0.5}
            place = {"place": float(one.session), "within": (0.0, 1.0)}
            points.append(point_of(one.beaten, rng, **single, **about, **place))
    learned = ridge_by_sessions(
        prepared.table("train"),
        analysis.test,
        analysis.run.targets,
        lambda done, total: analysis.progress("sessions: ridge", done, total),
    )
    for count, _, wins in learned:
        about = {"figure": "training on the first n sessions", "series": "ridge regression"}
        about |= {"measure": f"{TWO_WAY} (CLIP)", "chance": 0.5}
        points.append(point_of(wins, rng, **about, place=float(count)))
    return Findings(points=points)


def ceiling_part(analysis: Analysis) -> Findings:
    """How much of the noise ceiling an encoding model reaches, and what good voxels decode."""
    prepared, rng = analysis.run.prepared, analysis.rng()
    ncsnr = prepared.bundle.ncsnr
    if not np.isfinite(ncsnr).any():
        raise AbsentError(
            f"{prepared.path} knows no noise ceiling of any voxel. "
            "Prepare the subject from a tree with ncsnr files, or leave out `ceiling`."
        )
    ceiling = noise_ceiling(ncsnr, analysis.test.present.sum(1).numpy())
    correlation = encoding_correlation(analysis.meaning)
    share = reached(correlation, ceiling)
    ticks = analysis.ticks("ceiling: groups of voxels", NUM_GROUPS)
    about = {"figure": "equally many voxels, by noise ceiling", "series": "ridge regression"}
    about |= {"measure": f"{TWO_WAY} (CLIP)", "chance": 0.5}
    points = [
        point_of(one.wins, rng, **about, place=one.median, num_voxels=one.num_voxels)
        for one in ceiling_groups(analysis.meaning, ceiling, progress=ticks)
    ]
    notes = [f"Noise ceiling: median {_median(ceiling)} of the mask; reached: {_median(share)}."]
    for roi, mask in prepared.roi_of_voxels().items():
        (allowed, _), (got, known) = median_in(ceiling, mask), median_in(share, mask)
        reached_text = f"{got:.3f} over {known}" if known else "unknown: none"
        notes.append(
            f"{roi}: median noise ceiling {allowed:.3f}; of it CLIP's image embedding explains "
            f"{reached_text} voxels above 0.1."
        )
    maps = {"noise ceiling": ceiling, "encoding correlation": correlation}
    return Findings(points=points, maps=maps, notes=notes)


@torch.inference_mode()
def patterns_part(analysis: Analysis) -> Findings:
    """Where the main axes of the decoded embedding show in single trials of test images."""
    prepared, decoder = analysis.run.prepared, analysis.run.decoder
    table = prepared.table("test")
    axes = principal_axes(analysis.meaning.wanted, NUM_AXES)
    decoder.eval()
    device = next(decoder.parameters()).device
    betas = torch.from_numpy(table.betas).float()
    decoded = [
        decoder(block.to(device), prepared.subject).brain_tokens[:, 0].cpu().numpy()
        for block in betas.split(256)
    ]
    found = activation_patterns(betas.numpy(), np.concatenate(decoded) @ axes.T)
    names = [f"pattern of axis {number}" for number in range(1, NUM_AXES + 1)]
    notes = [
        f"{name.capitalize()}: maps of even and odd test trials correlate {one:.2f} over voxels."
        for name, one in zip(names, found.reliability)
    ]
    return Findings(maps=dict(zip(names, found.maps.astype(np.float32))), notes=notes)


PARTS: dict[str, Callable[[Analysis], Findings]] = {
    "regions": regions_part,
    "repeats": repeats_part,
    "sessions": sessions_part,
    "ceiling": ceiling_part,
    "patterns": patterns_part,
}


def _median(values: Float[np.ndarray, "voxels"]) -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.3f} over {len(known):,} voxels" if len(known) else "of no voxel"
