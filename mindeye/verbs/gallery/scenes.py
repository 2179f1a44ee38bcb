"""`mindeye gallery scenes`: drawn pictures for a gallery, among them what a run's test showed."""

from pathlib import Path

import numpy as np

from mindeye.data.batches import PreparedSubject
from mindeye.reconstruction.run_scans import index_of
from mindeye.run import RunFolder
from mindeye.simulate.presets import Progress
from mindeye.simulate.scene_tars import NamedPicture, SceneTars, write_scene_tars


def draw_gallery(
    out: Path,
    scenes: SceneTars,
    *,
    plant: Path | None = None,
    subject: int | None = None,
    data: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Draws scenes into tars; returns how many pictures were planted.

    Args:
        plant: a run, whose test pictures are added.
        subject, data: of that run, as `open_run` takes them.

    Raises:
        ValueError: `out` holds something else.
        FileNotFoundError, LookupError: as `open_run` says of the run.
    """
    planted, about = [], None
    if plant is not None:
        provenance = RunFolder(path=plant).provenance()
        index = index_of(plant, provenance, subject)
        prepared = PreparedSubject(data or Path(provenance["paths"]["data"][index]))
        planted = planted_pictures(prepared)
        about = {
            "subject": prepared.subject,
            "protocol": prepared.manifest["protocol"],
            "pictures": prepared.manifest["files"]["images.npy"],
            "number": len(planted),
        }
    write_scene_tars(out, scenes, planted, about_planted=about, workers=workers, progress=progress)
    return len(planted)


def planted_pictures(prepared: PreparedSubject) -> list[NamedPicture]:
    """Every test picture under its image id."""
    image_ids = prepared.image_ids_of("test")
    images = prepared.images[prepared.rows_of(image_ids)]
    return [
        NamedPicture(f"planted-{one:05d}", np.asarray(picture), prepared.captions.get(one))
        for one, picture in zip(image_ids.tolist(), images, strict=True)
    ]
