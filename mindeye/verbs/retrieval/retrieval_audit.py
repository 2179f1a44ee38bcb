"""Beyond the numbers: accuracy over pool sizes, hubs, and what near duplicates may explain."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mindeye.metrics.bootstrap import bootstrap_intervals
from mindeye.metrics.statistics import Interval
from mindeye.retrieval.hubs import fair_hubs, hubs_of, win_counts
from mindeye.retrieval.near_duplicates import (
    Nearest,
    closest_pairs,
    nearest_in_pool,
    nearest_training,
    tenths,
)
from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.rank_scores import BRAIN_RETRIEVAL, DIRECTIONS, IMAGE_RETRIEVAL
from mindeye.verbs.retrieval.retrieval_pairing import Pairing

CURVE_POINTS = 50
LISTED = 20
ALIKE = (0.9, 0.95, 0.99)


def pool_curve(pairing: Pairing) -> dict[str, Any]:
    """Top-1 over pool sizes from 2 to all, with intervals over images."""
    total = pairing.num_images
    spaced = np.geomspace(2, total, CURVE_POINTS).round().astype(int).tolist()
    sizes = sorted({*spaced, *pairing.sizes})
    columns = {
        f"{direction} {size}": pool_accuracy(pairing.rivals[direction], size)
        for direction in DIRECTIONS
        for size in sizes
    }
    found = bootstrap_intervals(columns, pairing.rng(4), resamples=pairing.settings.resamples)
    return {
        "pool sizes": sizes,
        "chance": [1 / size for size in sizes],
        **{
            direction: [list(found[f"{direction} {size}"]) for size in sizes]
            for direction in DIRECTIONS
        },
    }


def hubs(pairing: Pairing) -> dict[str, Any]:
    """Of the pool of all: which items win, beside winners drawn at random."""
    total = pairing.num_images
    by_direction = {
        IMAGE_RETRIEVAL: pairing.similarity,
        BRAIN_RETRIEVAL: pairing.similarity.T,
    }
    result: dict[str, Any] = {"at random": fair_hubs(total, total, pairing.rng(5))._asdict()}
    for direction, similarity in by_direction.items():
        wins = win_counts(similarity)
        most = np.argsort(-wins, kind="stable")[:10]
        result[direction] = {
            **hubs_of(wins)._asdict(),
            "most won": [
                {"image_id": image_id, "wins": won}
                for image_id, won in zip(
                    pairing.source.pairs.image_ids[most].tolist(), wins[most].tolist()
                )
            ],
            "wins": np.sort(wins)[::-1].tolist(),
        }
    return result


def near_duplicates(pairing: Pairing) -> dict[str, Any]:
    """How alike test images are to each other and to training images, and what that changes."""
    pairs = pairing.source.pairs
    pool = nearest_in_pool(pairs.images)
    ids = pairs.image_ids
    result = {
        "similarity": "cosine without the mean of the test images",
        "pool": {
            **_summary(pool.similarity),
            "closest": [
                _pair(ids[first], ids[second], pool.similarity[first])
                for first, second in closest_pairs(pool, LISTED)
            ],
        },
        "training": None,
    }
    if pairs.training is not None:
        nearest = nearest_training(pairs.images, pairs.training.blocks())
        result["training"] = _training_part(pairing, nearest)
    return result


def _training_part(pairing: Pairing, nearest: Nearest) -> dict[str, Any]:
    ids, training_ids = pairing.source.pairs.image_ids, pairing.source.pairs.training.image_ids
    size = pairing.settings.drawn_size(pairing.num_images) or pairing.num_images
    values = {name: pool_accuracy(one, size) for name, one in pairing.rivals.items()}
    parts = tenths(nearest.similarity)
    closest = np.argsort(-nearest.similarity, kind="stable")[:LISTED]
    return {
        **_summary(nearest.similarity),
        "closest": [
            _pair(ids[row], training_ids[nearest.row[row]], nearest.similarity[row])
            for row in closest
        ],
        "metric": f"top-1 of {size}",
        "tenths": [
            {
                "from": float(nearest.similarity[rows].min()),
                "to": float(nearest.similarity[rows].max()),
                **_part(pairing, values, rows),
            }
            for rows in parts
        ],
        "without the closest part": _part(pairing, values, np.concatenate(parts[:-1] or parts)),
    }


def _part(
    pairing: Pairing,
    values: dict[str, Float[np.ndarray, "images"]],
    rows: Int[np.ndarray, "members"],
) -> dict[str, Any]:
    """Accuracy of some images, all others still being their rivals."""
    how = {"resamples": pairing.settings.resamples}
    chosen = {name: one[rows] for name, one in values.items()}
    found: dict[str, Interval] = bootstrap_intervals(chosen, pairing.rng(6), **how)
    return {"n": len(rows), **{name: list(one) for name, one in found.items()}}


def _summary(similarity: Float[np.ndarray, "images"]) -> dict[str, Any]:
    middle, high = np.quantile(similarity, [0.5, 0.95]).tolist()
    return {
        "median": middle,
        "95th percentile": high,
        "most": float(similarity.max()),
        "share above": {str(limit): float((similarity > limit).mean()) for limit in ALIKE},
    }


def _pair(first: np.integer, second: np.integer, similarity: np.floating) -> dict[str, Any]:
    return {"image_id": int(first), "other_id": int(second), "similarity": float(similarity)}
