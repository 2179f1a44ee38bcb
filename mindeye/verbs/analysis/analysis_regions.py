"""What each region tells: alone, beside the others, and to the trained decoder."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mindeye.analysis.ablation import embeddings_without, training_mean
from mindeye.analysis.points import point_of
from mindeye.analysis.regions_alone import region_scores
from mindeye.analysis.voxel_shares import look_of, region_shares
from mindeye.metrics.statistics import paired_difference_interval
from mindeye.reconstruction.decode import decode
from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.similarity import image_retrieval_rivals, similarity_matrix
from mindeye.types import AnalysisPoint
from mindeye.verbs.analysis.analysis_material import LOOK, MEANING, TWO_WAY, Analysis, Findings


def regions_part(analysis: Analysis) -> Findings:
    """Each region alone (equal voxels), what only it tells, and what the decoder loses without."""
    regions, rng = analysis.regions, analysis.rng()
    points, notes = [], []
    alone = region_scores(
        analysis.train, analysis.test, analysis.run.targets, regions, seed=analysis.seed
    )
    for name, pick in ((MEANING, "meaning"), (LOOK, "look")):
        about = {"figure": "regions alone, equal numbers of voxels", "series": name}
        about |= {"measure": f"{TWO_WAY} by ridge", "chance": 0.5}
        for one in alone:
            values = getattr(one, pick)
            place = {"place": one.roi, "num_voxels": one.num_voxels}
            points.append(point_of(values, rng, **about, **place))
    for name, material in (
        (MEANING, analysis.meaning),
        (LOOK, look_of(analysis.train, analysis.test, analysis.run.targets)),
    ):
        ticks = analysis.ticks(f"regions: {name}", 1 + 2 * len(regions))
        whole, shares = region_shares(material, regions, ticks)
        notes.append(f"All voxels explain R2 {whole.mean():.3f} of {name}, by ridge.")
        figure = f"variance explained of {name}"
        for one in shares:
            place = {"place": one.roi, "num_voxels": one.num_voxels, "measure": "R2 by ridge"}
            for series in ("total", "unique", "shared"):
                values = getattr(one, series)
                points.append(point_of(values, rng, figure=figure, series=series, **place))
            about = {"figure": "lost without the region", "measure": f"{TWO_WAY} lost, by ridge"}
            points.append(point_of(one.lost, rng, **{**place, **about}, series=name, chance=0.0))
    points += _ablation(analysis, regions, rng)
    return Findings(points=points, notes=notes)


def _ablation(
    analysis: Analysis, regions: dict[str, Bool[np.ndarray, "voxels"]], rng: np.random.Generator
) -> list[AnalysisPoint]:
    decoder, test = analysis.run.decoder, analysis.test
    mean = training_mean(analysis.train)
    images = analysis.image_embeddings
    whole = _accuracy(decode(decoder, test).embeddings.cpu(), images, analysis.pool_size)
    ticks = analysis.ticks("regions: silenced in the decoder", len(regions))
    points = []
    for roi, mask in regions.items():
        without = embeddings_without(decoder, test, torch.from_numpy(mask), mean)
        rest = _accuracy(without, images, analysis.pool_size)
        value, low, high = paired_difference_interval(whole, rest, rng)
        points.append(
            AnalysisPoint(
                figure="lost by this decoder when the region is silenced",
                measure=f"image retrieval top-1 of {analysis.pool_size} lost",
                series="mindeye",
                place=roi,
                value=value,
                low=low,
                high=high,
                n=len(whole),
                chance=0.0,
                num_voxels=int(mask.sum()),
            )
        )
        ticks()
    return points


def _accuracy(
    brain: Float[Tensor, "images features"], images: Float[Tensor, "images features"], pool: int
) -> Float[np.ndarray, "images"]:
    return pool_accuracy(image_retrieval_rivals(similarity_matrix(brain, images)), pool)
