"""Draws and writes the shown pictures, and notes how a made-up visual cortex responds to them."""

from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float, Int

from mindeye import nsd_layout as nsd
from mindeye.files import write_json
from mindeye.simulate.anatomy import Anatomy
from mindeye.simulate.design import Design
from mindeye.simulate.meaning import category_axes, meaning_of
from mindeye.simulate.presets import Progress, SimulationRequest
from mindeye.simulate.receptive_fields import ReceptiveFields, make_receptive_fields, mixed_look
from mindeye.simulate.scenes import Scene, caption_of, draw_scene, scene_of
from mindeye.simulate.subject import SimulatedSubject, make_subject

PICTURES_AT_ONCE = 128


def show_pictures(
    folder: Path,
    design: Design,
    anatomy: Anatomy,
    request: SimulationRequest,
    progress: Progress,
) -> SimulatedSubject:
    """Draws and writes every shown picture once, and makes the subject that responds to them."""
    image_ids = np.unique(design.image_ids(request.subject, request.config.sessions))
    scenes = [scene_of(request.seed, int(image_id)) for image_id in image_ids]
    captions = {str(i): caption_of(scene) for i, scene in zip(image_ids, scenes, strict=True)}
    fields = make_receptive_fields(anatomy, request.stream("neural tuning"))
    energy, colour = _draw_pictures(
        folder, image_ids, scenes, fields, request.config.image_side, progress
    )
    write_json(folder / nsd.captions_path(), captions)
    return make_subject(
        anatomy,
        mixed_look(energy, colour),
        meaning_of(scenes),
        category_axes(scenes),
        request,
    )


def _draw_pictures(
    folder: Path,
    image_ids: Int[np.ndarray, "images"],
    scenes: list[Scene],
    fields: ReceptiveFields,
    side: int,
    progress: Progress,
) -> tuple[Float[np.ndarray, "images voxels"], Float[np.ndarray, "images voxels"]]:
    """Writes the pictures a batch at a time; returns early visual cortex's responses to them."""
    path = folder / nsd.stimuli_path()
    path.parent.mkdir(parents=True)
    energy, colour = [], []
    with h5py.File(path, "w") as file:
        brick = file.create_dataset(
            "imgBrick",
            shape=(nsd.NUM_IMAGES, side, side, 3),
            dtype=np.uint8,
            chunks=(1, side, side, 3),
            fillvalue=nsd.BACKGROUND_GRAY,
        )
        for start in range(0, len(scenes), PICTURES_AT_ONCE):
            batch = slice(start, start + PICTURES_AT_ONCE)
            pictures = np.stack([draw_scene(scene, side) for scene in scenes[batch]])
            for image_id, picture in zip(image_ids[batch], pictures, strict=True):
                brick.id.write_direct_chunk((int(image_id), 0, 0, 0), picture.tobytes())
            responses_of_batch = fields.respond(pictures)
            energy.append(responses_of_batch[0])
            colour.append(responses_of_batch[1])
            progress("pictures", min(start + PICTURES_AT_ONCE, len(scenes)), len(scenes))
    return np.concatenate(energy), np.concatenate(colour)
