"""How a made-up visual cortex answers pictures that its main experiment never showed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float, UInt8

from mindeye import nsd_layout as nsd
from mindeye.simulate.components import principal_scores
from mindeye.simulate.design import Design
from mindeye.simulate.meaning import category_axes, meaning_of
from mindeye.simulate.pictures import PICTURES_AT_ONCE
from mindeye.simulate.presets import SimulationRequest
from mindeye.simulate.receptive_fields import ReceptiveFields, make_receptive_fields, mixed_look
from mindeye.simulate.scenes import Scene, scene_of
from mindeye.simulate.subject import SimulatedSubject


def with_new_pictures(
    folder: Path,
    design: Design,
    simulated: SimulatedSubject,
    request: SimulationRequest,
    scenes: Sequence[Scene],
    pictures: UInt8[np.ndarray, "new side side 3"],
) -> SimulatedSubject:
    """The same subject with the signal of new pictures alone.

    The signal of every voxel is linear in the look of a picture at its place and in its meaning,
    but for what is idiosyncratic to a picture: least squares over the pictures that the main
    experiment showed find the weights, and the new ones have nothing idiosyncratic.
    """
    anatomy = simulated.anatomy
    shown = np.unique(design.image_ids(request.subject, request.config.sessions))
    fields = make_receptive_fields(anatomy, request.stream("neural tuning"))
    answers = [*_answers_to_shown(folder, shown, fields), fields.respond(pictures)]
    energy, colour = (np.concatenate(one) for one in zip(*answers, strict=True))
    scenes = [*(scene_of(request.seed, int(image_id)) for image_id in shown), *scenes]
    components = min(request.config.num_components, len(shown) - 1)
    features = [
        np.ones((len(scenes), 1)),
        principal_scores(meaning_of(scenes), components),
        category_axes(scenes),
    ]
    signal = extrapolated(
        simulated.signal,
        np.concatenate(features, axis=1),
        mixed_look(energy, colour),
        anatomy.is_visual,
    )
    return replace(simulated, signal=signal.astype(np.float32))


def extrapolated(
    known: Float[np.ndarray, "known voxels"],
    features: Float[np.ndarray, "images features"],
    look: Float[np.ndarray, "images visual_voxels"],
    visual: np.ndarray,
) -> Float[np.ndarray, "new voxels"]:
    """Signal of the images after the known ones: features that all voxels share, a look for each.

    Source: Frisch and Waugh (1933), partial regressions: what the features explain is taken out
    of signal and look first, which leaves one weight of its look to each voxel.
    """
    count = len(known)
    solve = np.linalg.pinv(features[:count])

    def without_features(values: np.ndarray) -> np.ndarray:
        return values - features[:count] @ (solve @ values)

    own, left = without_features(look[:count]), without_features(known[:, visual])
    slope = (own * left).sum(0) / np.maximum((own**2).sum(0), 1e-9)
    rest = known.astype(np.float64)
    rest[:, visual] -= look[:count] * slope
    new = features[count:] @ (solve @ rest)
    new[:, visual] += look[count:] * slope
    return new


def _answers_to_shown(
    folder: Path, shown: np.ndarray, fields: ReceptiveFields
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Energy and colour of the pictures that the tree holds."""
    found = []
    with h5py.File(folder / nsd.stimuli_path()) as file:
        brick = file["imgBrick"]
        for start in range(0, len(shown), PICTURES_AT_ONCE):
            batch = shown[start : start + PICTURES_AT_ONCE]
            found.append(fields.respond(np.stack([brick[int(one)] for one in batch])))
    return found
