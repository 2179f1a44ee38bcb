"""What a gallery has of the test images, told and counted."""

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mindeye.retrieval.gallery.planted.planted import SAME


@dataclass(frozen=True, kw_only=True)
class GalleryRetrieval:
    """What was found of all test images."""

    records: Sequence[dict[str, Any]]
    """One an image: `image_id`, `found` (`CELLS` each), `missing` (why a picture is not)."""
    about: dict[str, Any]

    @property
    def without_picture(self) -> list[int]:
        return [one["image_id"] for one in self.records if not one["found"]]

    @property
    def reasons(self) -> dict[str, int]:
        """Why pictures could not be had -> how many."""
        counted = collections.Counter(why for one in self.records for why in one["missing"])
        return dict(counted)

    @property
    def passing(self) -> int:
        """Pictures that the same command will ask for again."""
        return sum(one.get("passing", 0) for one in self.records)

    def shares(self) -> dict[str, float]:
        """How often the very picture that was seen is the first, among all found, and chosen."""
        seen = [[cell["likeness"] >= SAME for cell in one["found"]] for one in self.records]
        chosen = [
            any(cell["chosen"] and cell["likeness"] >= SAME for cell in one["found"])
            for one in self.records
        ]
        return {
            "most similar": float(np.mean([hits[:1] == [True] for hits in seen])),
            "among those shown": float(np.mean([any(hits) for hits in seen])),
            "chosen": float(np.mean(chosen)),
        }
