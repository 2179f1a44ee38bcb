"""Picture -> maps of Gabor energy and colour, as early visual cortex might compute them."""

import numpy as np
import scipy.fft
from jaxtyping import Float, UInt8

from mindeye import nsd_layout as nsd

MAP_SIDE = 32
"""Energy and colour maps have this many pixels a side: a quarter of a degree each."""
FREQUENCIES = (0.6, 1.2, 2.4)
"""Cycles per degree."""
NUM_ORIENTATIONS = 4
ENERGY_CHANNELS = len(FREQUENCIES) * NUM_ORIENTATIONS
COLOUR_CHANNELS = 3
MAX_CHUNK = 128
"""Pictures transformed at once; bounds memory."""


def low_level_maps(
    pictures: UInt8[np.ndarray, "images side side 3"],
) -> Float[np.ndarray, "images channels positions"]:
    """Contrast-normalised Gabor energy, then luminance and two colour contrasts.

    Positions run over a square of `MAP_SIDE` pixels, rows first.
    """
    chunks = [
        _maps_of_chunk(pictures[start : start + MAX_CHUNK])
        for start in range(0, len(pictures), MAX_CHUNK)
    ]
    return np.concatenate(chunks)


def _maps_of_chunk(
    pictures: UInt8[np.ndarray, "images side side 3"],
) -> Float[np.ndarray, "images channels positions"]:
    side = pictures.shape[1]
    work_side = 2 * MAP_SIDE
    if side < work_side:
        raise ValueError(
            f"Pictures of {side} pixels a side are too coarse for the model of V1. "
            f"Ask for an `image_side` of at least {work_side}."
        )
    red, green, blue = np.moveaxis(pictures.astype(np.float32) / 255, -1, 0)
    luminance = 0.3 * red + 0.59 * green + 0.11 * blue
    spectrum = _cropped(
        scipy.fft.fft2(luminance - luminance.mean((1, 2), keepdims=True)), work_side
    )
    responses = scipy.fft.ifft2(spectrum[:, None] * _gabor_bank(work_side, side))
    energy = np.abs(responses) * (work_side / side) ** 2
    energy = energy.reshape(*energy.shape[:2], MAP_SIDE, 2, MAP_SIDE, 2).mean((3, 5))
    local = np.sqrt((energy**2).mean(1, keepdims=True))
    energy = energy / (0.02 + local)
    colours = np.stack([luminance, red - green, blue - (red + green) / 2], axis=1)
    colours = scipy.fft.ifft2(_cropped(scipy.fft.fft2(colours), MAP_SIDE)).real
    maps = np.concatenate([energy, colours * (MAP_SIDE / side) ** 2], axis=1)
    return maps.reshape(len(pictures), -1, MAP_SIDE**2).astype(np.float32)


def _cropped(spectrum: np.ndarray, side: int) -> np.ndarray:
    """The lowest `side` x `side` frequencies: an inverse transform then gives a smaller picture."""
    kept = np.fft.fftfreq(side, 1 / side).astype(int)
    return spectrum[..., kept[:, None], kept[None, :]]


def _gabor_bank(work_side: int, side: int) -> Float[np.ndarray, "channels side side"]:
    """One-sided band-pass filters, so that the absolute response is the energy."""
    cycles = np.fft.fftfreq(work_side, 1 / work_side) / nsd.SCREEN_DEGREES
    rows, columns = np.meshgrid(cycles, cycles, indexing="ij")
    radius = np.hypot(rows, columns)
    angle = np.arctan2(rows, columns)
    log_radius = np.log2(np.maximum(radius, 1e-6))
    bank = []
    for frequency in FREQUENCIES:
        radial = np.exp(-((log_radius - np.log2(frequency)) ** 2) / (2 * 0.45**2))
        for orientation in range(NUM_ORIENTATIONS):
            turned = np.angle(np.exp(1j * (angle - np.pi * orientation / NUM_ORIENTATIONS)))
            bank.append(2 * radial * np.exp(-(turned**2) / (2 * np.radians(25) ** 2)))
    return np.stack(bank).astype(np.float32)
