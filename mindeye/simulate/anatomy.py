"""A made-up visual cortex on a small grid: areas, ROI volumes and population receptive fields.

The brain is an ellipsoid and its cortex the outer shell. `theta` is the angle from the occipital
pole, `phi` the elevation around it: from ventral (-90 degrees) to dorsal (90 degrees).

Sources: eccentricity over cortex Horton & Hoyt (1991); pRF size per eccentricity Kay et al.
(2013) as coded in D. Hermes' `xy2prfsize.m`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mindeye import nsd_layout as nsd

AREAS = ("V1", "V2", "V3", "hV4", "mid", "ventral", "lateral", "parietal", "cortex")
EARLY_SHARE, MID_SHARE = 0.30, 0.42
"""Parts of `nsdgeneral`, from the occipital pole on, that end with hV4 and the mid areas."""
BAND = 22.0
"""Degrees of phi that V1d, V2d and so on take each."""
PRF_SLOPES = {"V1": 0.16, "V2": 0.20, "V3": 0.32, "hV4": 0.60}
PRF_FLOORS = {"V1": 0.25, "V2": 0.30, "V3": 0.40, "hV4": 0.60}
FLOC_CENTRES: dict[str, tuple[float, float]] = {
    "OFA": (0.55, -15),
    "FFA-1": (0.70, -58),
    "FFA-2": (0.90, -58),
    "EBA": (0.65, 10),
    "FBA-1": (0.75, -42),
    "FBA-2": (0.92, -40),
    "OPA": (0.60, 50),
    "PPA": (0.75, -78),
    "RSC": (1.10, 75),
    "OWFA": (0.52, -32),
    "VWFA-1": (0.70, -26),
    "VWFA-2": (0.90, -24),
}
"""(distance from the pole in parts of `nsdgeneral`, phi)."""
FLOC_RADII = (0.13, 14.0)


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """All brain voxels, in C order of the (x, y, z) brain mask."""

    brain: Bool[np.ndarray, "x y z"]
    hemisphere: Int[np.ndarray, "voxels"]
    """0 left, 1 right."""
    areas: Int[np.ndarray, "voxels"]
    """Index into `AREAS`, -1 outside of cortex."""
    labels: dict[str, Int[np.ndarray, "voxels"]]
    """Atlas -> NSD's labels: -1 outside of cortex, 0 without label."""
    prf_x: Float[np.ndarray, "voxels"]
    """Degrees of visual angle, right is positive; NaN outside of `nsdgeneral`."""
    prf_y: Float[np.ndarray, "voxels"]
    prf_size: Float[np.ndarray, "voxels"]

    def volume(self, values: np.ndarray, outside: float | int = 0) -> np.ndarray:
        """Puts one value per brain voxel into the grid."""
        volume = np.full(self.brain.shape, outside, dtype=values.dtype)
        volume[self.brain] = values
        return volume

    def is_area(self, *names: str) -> Bool[np.ndarray, "voxels"]:
        """Which voxels belong to some areas."""
        return np.isin(self.areas, [AREAS.index(name) for name in names])

    @property
    def is_visual(self) -> Bool[np.ndarray, "voxels"]:
        """Voxels of `nsdgeneral`."""
        return self.labels["nsdgeneral"] == 1


def make_anatomy(
    grid: tuple[int, int, int], num_voxels: int, generator: np.random.Generator
) -> Anatomy:
    """A brain with `num_voxels` voxels of `nsdgeneral`.

    Raises:
        ValueError: the grid's cortex is too small for them.
    """
    position = _positions(grid)
    radius = np.linalg.norm(position, axis=-1)
    brain = radius <= 1
    x, y, z = position[brain].T
    cortex = radius[brain] > 0.68
    theta = np.arccos(np.clip(-y / radius[brain], -1, 1))
    phi = np.degrees(np.arctan2(z, np.abs(x)))
    if num_voxels > 0.75 * cortex.sum():
        raise ValueError(
            f"A grid of {grid} has {cortex.sum()} cortical voxels, too few for {num_voxels} of "
            "nsdgeneral. Enlarge `grid` or lower `num_voxels` to three quarters of them."
        )
    depth = np.full(len(x), np.inf)
    depth[cortex] = np.argsort(np.argsort(theta[cortex], kind="stable")) / num_voxels
    areas = _areas(depth, phi, cortex)
    hemisphere = (x > 0).astype(np.int64)
    prf_x, prf_y, prf_size = _receptive_fields(areas, depth, phi, hemisphere, generator)
    return Anatomy(
        brain=brain,
        hemisphere=hemisphere,
        areas=areas,
        labels=_labels(areas, depth, phi, cortex),
        prf_x=prf_x,
        prf_y=prf_y,
        prf_size=prf_size,
    )


def _positions(grid: tuple[int, int, int]) -> Float[np.ndarray, "x y z axes"]:
    """Voxel centres; the ellipsoid of the brain is where their norm is at most 1."""
    axes = [(np.arange(n) - (n - 1) / 2) / (0.48 * n) for n in grid]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _areas(depth: np.ndarray, phi: np.ndarray, cortex: np.ndarray) -> Int[np.ndarray, "voxels"]:
    early, mid, visual = depth < EARLY_SHARE, depth < MID_SHARE, depth < 1.3
    names = np.select(
        [
            ~cortex,
            early & (np.abs(phi) < BAND),
            early & (np.abs(phi) < 2 * BAND),
            early & (np.abs(phi) < 3 * BAND),
            early & (phi < 0),
            early | mid,
            visual & (phi < -20),
            visual & (phi < 25),
            visual,
        ],
        [-1, 0, 1, 2, 3, 4, 5, 6, 7],
        default=8,
    )
    return names.astype(np.int64)


def _labels(
    areas: np.ndarray, depth: np.ndarray, phi: np.ndarray, cortex: np.ndarray
) -> dict[str, Int[np.ndarray, "voxels"]]:
    retinotopic = np.select(
        [areas == 0, areas == 1, areas == 2, areas == 3],
        [np.where(phi < 0, 1, 2), np.where(phi < 0, 3, 4), np.where(phi < 0, 5, 6), 7],
        default=0,
    )
    middle = np.where(phi < -20, 2, np.where(phi < 25, 3, 4))
    streams = np.select(
        [(areas >= 0) & (areas <= 2), areas == 3, areas == 4, (areas >= 5) & (areas <= 7)],
        [1, 2, middle, areas],
        default=0,
    )
    labels = {
        "nsdgeneral": (depth < 1).astype(np.int64),
        "prf-visualrois": retinotopic,
        "streams": streams,
    }
    for atlas in ("floc-faces", "floc-bodies", "floc-places", "floc-words"):
        labels[atlas] = np.zeros_like(areas)
        for label, name in nsd.ROI_LABELS[atlas].items():
            if name in FLOC_CENTRES:
                labels[atlas][_patch(name, depth, phi)] = label
    return {atlas: np.where(cortex, values, nsd.ROI_NOT_CORTEX) for atlas, values in labels.items()}


def _patch(name: str, depth: np.ndarray, phi: np.ndarray) -> Bool[np.ndarray, "voxels"]:
    centre_depth, centre_phi = FLOC_CENTRES[name]
    squared = ((depth - centre_depth) / FLOC_RADII[0]) ** 2 + (
        (phi - centre_phi) / FLOC_RADII[1]
    ) ** 2
    return squared < 1


def _receptive_fields(
    areas: np.ndarray,
    depth: np.ndarray,
    phi: np.ndarray,
    hemisphere: np.ndarray,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left voxels see the right half field, ventral ones of V1 to V3 the upper quadrant."""
    num_voxels = len(areas)
    early = (areas >= 0) & (areas <= 3)
    millimetres = 4 + 34 * np.clip(depth / EARLY_SHARE, 0, 1)
    eccentricity = np.where(
        early, 0.75 * (np.exp(millimetres / 17.3) - 1), generator.lognormal(0.5, 0.5, num_voxels)
    )
    within = np.abs(phi) % BAND / BAND
    elevation = np.select(
        [areas == 0, areas == 1, areas == 2, areas == 3],
        [
            -np.sign(phi) * 90 * within,
            -np.sign(phi) * 90 * (1 - within),
            -np.sign(phi) * 90 * within,
            90 - 180 * np.clip((-phi - 3 * BAND) / (90 - 3 * BAND), 0, 1),
        ],
        default=generator.uniform(-90, 90, num_voxels),
    )
    elevation = np.radians(elevation + generator.normal(0, 8, num_voxels))
    x = eccentricity * np.cos(elevation) * np.where(hemisphere == 0, 1, -1)
    y = eccentricity * np.sin(elevation)
    size = 1.0 + 0.8 * eccentricity
    for index, name in enumerate(("V1", "V2", "V3", "hV4")):
        sized = np.maximum(PRF_FLOORS[name], PRF_SLOPES[name] * eccentricity)
        size = np.where(areas == index, sized, size)
    size = size * generator.lognormal(0, 0.15, num_voxels)
    seeing = depth < 1
    return tuple(np.where(seeing, values, np.nan) for values in (x, y, size))
