"""FID in `mindeye evaluate`: one number of all pictures, never without its bias."""

from collections.abc import Mapping

import numpy as np

from mindeye.metrics.frechet import FEWEST_IMAGES, NAME
from mindeye.metrics.protocols import MetricProtocol
from mindeye.reconstruction.picture_source import Pictures
from mindeye.reconstruction.set_scoring import frechet_of
from mindeye.targets.metric_networks.network import MetricNetwork, PairNetwork
from mindeye.types import MetricRow

BIASED = f"{NAME}, biased upwards by n"


def frechet_part(
    system: str,
    reconstructed: Pictures,
    shown: Pictures,
    judges: Mapping[str, MetricNetwork | PairNetwork],
    protocol: MetricProtocol,
    rng: np.random.Generator,
) -> tuple[list[MetricRow], list[str]]:
    """The row and the sentence beside it; without InceptionV3 neither."""
    if "inception" not in judges:
        return [], []
    if len(shown) < FEWEST_IMAGES:
        return [], [
            f"FID is left out: of {len(shown)} images it is mostly bias; it takes at least "
            f"{FEWEST_IMAGES}."
        ]
    found = frechet_of(reconstructed, shown, judges["inception"], rng, protocol)
    row = MetricRow(
        system=system,
        metric=BIASED,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.num_images,
        chance=None,
        better="lower",
    )
    return [row], [f"{found.describe()}."]
