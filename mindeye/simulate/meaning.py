"""What scenes are about, as numbers: fixed random codes of their attributes.

Deliberately no image network: a decoder must not be tested on its own target.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mindeye.simulate.random_streams import stream_of
from mindeye.simulate.scenes import Scene

CODE_SEED = 73
"""Of the codes of meaning: the same for every subject, as the world is."""
CODE_SIZE = 256
ATTRIBUTE_WEIGHTS: dict[str, float] = {
    "family": 1.3,
    "kind": 1.5,
    "colour": 0.7,
    "count": 0.7,
    "size": 0.5,
    "position": 0.6,
    "background": 1.0,
    "weather": 0.6,
    "light": 0.6,
    "kind x background": 0.5,
    "kind x colour": 0.5,
    "family x weather": 0.4,
}
"""Attribute, or a pair of them whose combination has a meaning of its own -> weight."""

FAMILY_DRIVE: dict[str, tuple[float, float, float]] = {
    "people": (1.0, 0.8, 0.1),
    "animals": (0.6, 1.0, 0.1),
    "buildings": (0.0, 0.0, 1.0),
    "vehicles": (0.1, 0.0, 0.5),
}
"""Family -> drive of face, body and place areas."""
OTHER_DRIVE = (0.0, 0.0, 0.2)


def meaning_of(scenes: Sequence[Scene]) -> Float[np.ndarray, "images features"]:
    """Weighted sums of the codes of each scene's attributes."""
    total = np.zeros((len(scenes), CODE_SIZE))
    for name, weight in ATTRIBUTE_WEIGHTS.items():
        values = [_value(scene, name) for scene in scenes]
        distinct, rows = np.unique(values, return_inverse=True)
        codes = np.stack([_code(name, str(value)) for value in distinct])
        total += weight * codes[rows]
    return total


def category_axes(scenes: Sequence[Scene]) -> Float[np.ndarray, "images axes"]:
    """How much of a face, a body and a place each scene shows: what floc areas prefer."""
    return np.array([FAMILY_DRIVE.get(scene.family, OTHER_DRIVE) for scene in scenes])


def _value(scene: Scene, name: str) -> str:
    """Several things have no position of their own."""
    parts = [str(getattr(scene, part)) for part in name.split(" x ")]
    return "all over" if name == "position" and scene.count > 1 else " x ".join(parts)


def _code(name: str, value: str) -> Float[np.ndarray, "features"]:
    return stream_of(CODE_SEED, name, value).normal(0, CODE_SIZE**-0.5, CODE_SIZE)
