"""Real human recordings with the figures that were shown: facts, and a reader for each."""

import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int, Int64, UInt8

from mindeye.files import sha256_of

FOLDER_VARIABLE = "MINDEYE_DATA"
"""Environment variable that names the folder of the recordings."""
SIDE = 128
PATCHES = 10
PATCH_PIXELS = SIDE // PATCHES
MARGIN = (SIDE - PATCHES * PATCH_PIXELS) // 2
# Brightness of ground and patches. The offline VAE learned drawn scenes, which have no pure black
# and white: it gives these shades back with an error (RMSE) of 0.04, black and white with 0.19.
GROUND, PATCH = 60, 220


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a recording before it is read."""

    file: str
    """Below the folder that the environment variable names."""
    title: str
    citation: str
    origin: str
    group: str
    """What the trials are held out by: `session` or `run`."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Single trials of one person with the figures that were shown; figures count from 0."""

    name: str
    facts: Facts
    sha256: str
    betas: Float32[np.ndarray, "trials voxels"]
    image_ids: Int64[np.ndarray, "trials"]
    groups: Int64[np.ndarray, "trials"]
    """Session or run of each trial, as the recording numbers them."""
    figures: UInt8[np.ndarray, "images 10 10"]
    """1 where a patch was shown."""

    @property
    def repeats(self) -> Int[np.ndarray, "trials"]:
        """How often a trial's figure had been shown before."""
        counts = np.zeros(len(self.figures), dtype=np.int64)
        before = np.empty(len(self.image_ids), dtype=np.int64)
        for trial, image_id in enumerate(self.image_ids):
            before[trial] = counts[image_id]
            counts[image_id] += 1
        return before

    @property
    def space(self) -> str:
        """Names the voxels, which have no coordinates, by the file whose columns they are."""
        return f"{self.name}: columns of {Path(self.facts.file).name} {self.sha256[:12]}"


FACTS: Mapping[str, Facts] = {
    "miyawaki2008-figures": Facts(
        file="miyawaki2008-figures/miyawaki_figures_letters_120.npz",
        title="Geometric figures and letters, one person (Miyawaki et al. 2008)",
        citation="Miyawaki Y, Uchida H, Yamashita O, Sato M, Morito Y, Tanabe HC, Sadato N, "
        "Kamitani Y (2008). Visual image reconstruction from human brain activity using a "
        "combination of multiscale local image decoders. Neuron 60(5), 915-929.",
        origin="github.com/braindecoding/LDM (copy of the published data); research use",
        group="session",
        notes=(
            "The voxels come without coordinates: their bundle says so, and checks that need a "
            "grid are left out.",
            "A session shows five figures twice. Its mean is never subtracted from held-out "
            "trials: centring and scaling use the training trials of the fold alone.",
        ),
    ),
}


def read_recording(name: str, folder: Path | None = None) -> Recording:
    """Reads a recording from `folder`, by default the one that MINDEYE_DATA names.

    Raises:
        LookupError: an unknown recording; the known ones are named.
        FileNotFoundError: the variable is not set, or the file is not there.
        ValueError: the file is damaged or holds something else.
    """
    if name not in FACTS:
        raise LookupError(
            f"There is no recording `{name}` here. Pick one of {', '.join(sorted(FACTS))}."
        )
    facts = FACTS[name]
    path = (folder or recordings_folder(facts)) / facts.file
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Fetch the recording from its origin ({facts.origin}) and put it "
            f"there, or point {FOLDER_VARIABLE} at the folder that holds {facts.file}."
        )
    arrays = READERS[name](path)
    return Recording(name=name, facts=facts, sha256=sha256_of(path), **arrays)


def recordings_folder(facts: Facts) -> Path:
    """The folder that the environment variable names.

    Raises:
        FileNotFoundError: the variable is not set.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        raise FileNotFoundError(
            f"The environment variable {FOLDER_VARIABLE} is not set. Point it at the folder that "
            f"holds {facts.file} (origin: {facts.origin})."
        )
    return Path(folder)


def read_arrays(path: Path, shapes: Mapping[str, tuple[int | None, ...]]) -> dict[str, np.ndarray]:
    """Named arrays of an npz file, never pickles; None in a shape allows any length.

    Raises:
        ValueError: a damaged file, or an array that is absent or has another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in shapes if name in archive.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read ({error}). Was it cut off? Fetch it again."
        ) from error
    for name, wanted in shapes.items():
        found = arrays[name].shape if name in arrays else None
        fits = found is not None and len(found) == len(wanted)
        if not fits or any(want not in (None, have) for have, want in zip(found, wanted)):
            raise ValueError(
                f"{path}: array `{name}` has shape {found}, but {wanted} is needed. "
                "Is this the right file?"
            )
    return arrays


def _read_miyawaki(path: Path) -> dict[str, np.ndarray]:
    arrays = read_arrays(
        path,
        {
            "fmri": (None, None),
            "stim10": (None, PATCHES, PATCHES),
            "session": (None,),
            "stim_id": (None,),
        },
    )
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"{path}: trials differ in number ({counts}). Is this the right file?")
    image_ids = arrays["stim_id"].astype(np.int64)
    known, first = np.unique(image_ids, return_index=True)
    figures = (arrays["stim10"][first] > 0).astype(np.uint8)
    numbered = np.array_equal(known, np.arange(len(known)))
    if not numbered or not np.array_equal(figures[image_ids], arrays["stim10"] > 0):
        raise ValueError(
            f"{path}: `stim_id` and `stim10` contradict each other. Is this the right file?"
        )
    betas = arrays["fmri"].astype(np.float32)
    if not np.isfinite(betas).all():
        raise ValueError(f"{path}: `fmri` holds NaN or infinity. Fetch the file again.")
    groups = arrays["session"].astype(np.int64)
    return {"betas": betas, "image_ids": image_ids, "groups": groups, "figures": figures}


READERS: Mapping[str, Callable[[Path], dict[str, np.ndarray]]] = {
    "miyawaki2008-figures": _read_miyawaki,
}


def drawn_figures(
    figures: UInt8[np.ndarray, "images 10 10"],
) -> UInt8[np.ndarray, "images 128 128 3"]:
    """Light patches of 12 px on a dark ground, with a margin of 4 px."""
    large = figures.repeat(PATCH_PIXELS, axis=1).repeat(PATCH_PIXELS, axis=2)
    framed = np.pad(large, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    shaded = np.where(framed > 0, PATCH, GROUND).astype(np.uint8)
    return np.repeat(shaded[..., None], 3, axis=-1)


def patch_contrasts(
    pictures: UInt8[np.ndarray, "images 128 128 3"],
) -> Float[np.ndarray, "images 100"]:
    """Mean brightness of each of the 10 x 10 patches, 0 the ground, 1 a patch."""
    inner = pictures[:, MARGIN : SIDE - MARGIN, MARGIN : SIDE - MARGIN].mean(-1)
    shape = (len(inner), PATCHES, PATCH_PIXELS, PATCHES, PATCH_PIXELS)
    mean = inner.reshape(shape).mean(axis=(2, 4)).reshape(len(inner), -1)
    return (mean - GROUND) / (PATCH - GROUND)
