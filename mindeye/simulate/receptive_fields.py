"""Population receptive fields that read the maps of a picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from mindeye import nsd_layout as nsd
from mindeye.simulate.anatomy import Anatomy
from mindeye.simulate.components import standardised
from mindeye.simulate.low_level import (
    COLOUR_CHANNELS,
    ENERGY_CHANNELS,
    FREQUENCIES,
    MAP_SIDE,
    NUM_ORIENTATIONS,
    low_level_maps,
)

COLOUR_SHARE = 1 / 3
"""Voxels that also carry luminance or colour."""
EXPONENTS = {"V1": 0.6, "V2": 0.5, "V3": 0.4, "hV4": 0.3}
"""Compressive spatial summation."""


@dataclass(frozen=True, kw_only=True)
class ReceptiveFields:
    """How the voxels of `nsdgeneral` read the maps of `low_level_maps`."""

    weights: Float[np.ndarray, "positions voxels"]
    energy_tuning: Float[np.ndarray, "channels voxels"]
    colour_tuning: Float[np.ndarray, "colours voxels"]
    exponents: Float[np.ndarray, "voxels"]

    def respond(
        self, pictures: UInt8[np.ndarray, "images side side 3"]
    ) -> tuple[Float[np.ndarray, "images voxels"], Float[np.ndarray, "images voxels"]]:
        """Energy and colour responses, not standardised."""
        maps = low_level_maps(pictures)
        energy = pooled(maps[:, :ENERGY_CHANNELS], self.weights, self.energy_tuning)
        colour = pooled(maps[:, ENERGY_CHANNELS:], self.weights, self.colour_tuning)
        return np.maximum(energy, 0) ** self.exponents, colour


def make_receptive_fields(anatomy: Anatomy, generator: np.random.Generator) -> ReceptiveFields:
    """Orientation and frequency tuning of each voxel; frequency falls with pRF size."""
    seeing = anatomy.is_visual
    size = anatomy.prf_size[seeing]
    num_voxels = len(size)
    best = np.log2(np.clip(1.2 / np.sqrt(size), FREQUENCIES[0], FREQUENCIES[-1]))
    best = best + generator.normal(0, 0.5, num_voxels)
    frequency = np.exp(-((np.log2(FREQUENCIES)[:, None] - best) ** 2) / 2)
    preferred = generator.uniform(0, np.pi, num_voxels)
    orientations = np.pi * np.arange(NUM_ORIENTATIONS) / NUM_ORIENTATIONS
    orientation = np.exp(1.0 * np.cos(2 * (orientations[:, None] - preferred)))
    tuning = (frequency[:, None] * orientation[None]).reshape(-1, num_voxels)
    colour = generator.normal(size=(COLOUR_CHANNELS, num_voxels))
    colour *= generator.random(num_voxels) < COLOUR_SHARE
    exponents = np.full(anatomy.brain.sum(), 0.3)
    for name, exponent in EXPONENTS.items():
        exponents[anatomy.is_area(name)] = exponent
    return ReceptiveFields(
        weights=prf_weights(anatomy.prf_x[seeing], anatomy.prf_y[seeing], size),
        energy_tuning=(tuning / tuning.sum(0)).astype(np.float32),
        colour_tuning=colour.astype(np.float32),
        exponents=exponents[seeing].astype(np.float32),
    )


def mixed_look(
    energy: Float[np.ndarray, "images voxels"], colour: Float[np.ndarray, "images voxels"]
) -> Float[np.ndarray, "images voxels"]:
    """Energy, and in some voxels as much colour; each voxel standardised over images."""
    return standardised(standardised(energy) + standardised(colour)).astype(np.float32)


def prf_weights(
    x: Float[np.ndarray, "voxels"],
    y: Float[np.ndarray, "voxels"],
    size: Float[np.ndarray, "voxels"],
) -> Float[np.ndarray, "positions voxels"]:
    """Gaussian pRFs on the map's pixels; each sums to one."""
    centres = ((np.arange(MAP_SIDE) + 0.5) / MAP_SIDE - 0.5) * nsd.SCREEN_DEGREES
    across = np.exp(-((centres[:, None] - x) ** 2) / (2 * size**2))
    down = np.exp(-((-centres[:, None] - y) ** 2) / (2 * size**2))
    weights = (down[:, None] * across[None, :]).reshape(MAP_SIDE**2, -1)
    return (weights / (weights.sum(0) + 1e-12)).astype(np.float32)


def pooled(
    maps: Float[np.ndarray, "images channels positions"],
    weights: Float[np.ndarray, "positions voxels"],
    tuning: Float[np.ndarray, "channels voxels"],
) -> Float[np.ndarray, "images voxels"]:
    """Each voxel's weighted sum of the channels inside of its pRF."""
    response = np.zeros((len(maps), weights.shape[1]), dtype=np.float32)
    for channel in range(maps.shape[1]):
        response += (maps[:, channel] @ weights) * tuning[channel]
    return response
