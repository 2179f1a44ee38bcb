"""What an index loses beside exact search: apart from what the decoder has lost already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.planted.planted import PlantedRanks
from mindeye.verbs.retrieval.gallery_material import BY_EMBEDDING, GalleryMaterial


def index_loss(
    material: GalleryMaterial, ranks: PlantedRanks, tops: Sequence[int]
) -> dict[str, Any]:
    """Neighbours of brains by the index and exactly, and whether the seen picture is among them.

    `found exactly` is what the decoder leaves to find; `found by the index` what the index finds of
    it. Only pictures that are in the gallery can be found.
    """
    if isinstance(material.index, ExactIndex) or material.about["compared by"] != BY_EMBEDDING:
        return {
            "about": material.index.about,
            "notes": [f"{material.index.about}: no index, and nothing is lost to one."],
        }
    k = min(max(tops), material.gallery.num_kept)
    exact = ExactIndex(material.gallery).search(material.brain, k).rows
    found = material.index.search(material.brain, k).rows
    planted = np.flatnonzero(ranks.own_rows >= 0)
    own = ranks.own_rows[planted, None]
    rows: dict[str, Any] = {}
    for top in (one for one in tops if one <= k):
        kept = [len(np.intersect1d(a[:top], b[:top])) for a, b in zip(exact, found, strict=True)]
        exactly, by_index = _holds(exact[planted, :top], own), _holds(found[planted, :top], own)
        rows[f"top-{top}"] = {
            "recall": float(np.mean(kept) / top),
            "found exactly": float(exactly.mean()) if len(planted) else None,
            "found by the index": float(by_index.mean()) if len(planted) else None,
            "lost to the index": float((exactly & ~by_index).mean()) if len(planted) else None,
        }
    notes = [f"{material.index.about}: {name} recall {one['recall']:.3f}" + _of_planted(one)
             for name, one in rows.items()]  # fmt: skip
    return {"about": material.index.about, "planted": len(planted), "tops": rows, "notes": notes}


def _of_planted(one: dict[str, Any]) -> str:
    if one["found exactly"] is None:
        return ""
    return (
        f"; seen pictures found exactly {one['found exactly']:.3f}, by the index "
        f"{one['found by the index']:.3f}, lost to it {one['lost to the index']:.3f}"
    )


def _holds(rows: np.ndarray, own: np.ndarray) -> Bool[np.ndarray, "planted"]:
    return (rows == own).any(1)
