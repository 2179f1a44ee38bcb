"""What a judging network is to a metric: a side, an interpolation and named outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mindeye.targets.clip import ClipTarget


@dataclass(frozen=True, kw_only=True)
class MetricNetwork:
    """A frozen network and how it takes pictures."""

    name: str
    """As `MetricFacts.network` calls it."""
    identity: str
    """Where its weights came from and their SHA-256: recorded with every score."""
    outputs: Callable[[Float[Tensor, "images 3 rows columns"]], Mapping[str, Tensor]]
    """Images in [0, 1] -> (images, features) by name of the output; normalises by itself."""
    side: int | None = None
    """Of its input in pixels; None takes pictures as they come."""
    interpolation: str = "bilinear"
    """To its side, where the protocol does not say another one."""
    batch: int = 16
    """Images at a time."""


@dataclass(frozen=True, kw_only=True)
class PairNetwork:
    """A frozen network that compares two pictures by itself."""

    name: str
    identity: str
    distances: Callable[
        [Float[Tensor, "images 3 height width"], Float[Tensor, "images 3 height width"]],
        Float[Tensor, "images"],
    ]
    """Images in [0, 1] of one size."""
    batch: int = 4


def own_clip(clip: ClipTarget) -> dict[str, MetricNetwork]:
    """The CLIP of a run as a judge: it resizes pictures as it did in training."""

    def outputs(images: Float[Tensor, "images 3 rows columns"]) -> dict[str, Tensor]:
        return {"embedding": clip.tokens(images)[:, 0]}

    # The size of a batch moves the last bits of a matrix product.
    network = MetricNetwork(name="clip", identity=clip.identity, outputs=outputs, batch=100)
    return {network.name: network}
