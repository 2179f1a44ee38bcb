"""Images that a decoded scan is looked for among: those of a prepared folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mindeye.data.batches import MANIFEST, PreparedSubject
from mindeye.data.scans.table import Trial
from mindeye.files import sha256_of
from mindeye.metrics.statistics import proportion_interval
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction.decoder_run import DecoderRun
from mindeye.retrieval.accuracy import top_images
from mindeye.targets.cache import target_table
from mindeye.types import MetricRow

NUM_FOUND = 5


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Images, their embeddings and their pictures."""

    prepared: PreparedSubject
    embeddings: Float[Tensor, "images features"]
    identity: str
    """Tells this gallery from others."""

    @property
    def image_ids(self) -> Int[np.ndarray, "images"]:
        return self.prepared.image_ids

    def find(self, brain: Float[np.ndarray, "trials features"]) -> Int[np.ndarray, "trials found"]:
        """Ids of the images that are most similar, best first."""
        count = min(NUM_FOUND, len(self.image_ids))
        found = top_images(torch.from_numpy(brain), self.embeddings, count)
        return self.image_ids[found.numpy()]

    def knows(self, image_ids: Int[np.ndarray, "images"]) -> bool:
        """Whether all of these are among its images."""
        return bool(np.isin(image_ids, self.image_ids).all())

    def identified(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """With the image ids of the names that the trials give, if all names are known here."""
        id_of = {name: image_id for image_id, name in self.prepared.image_names.items()}
        told = [trial for trial in trials if trial.image_id is None]
        if not all(trial.name in id_of for trial in told):
            return trials
        return tuple(
            replace(trial, image_id=id_of[trial.name]) if trial.image_id is None else trial
            for trial in trials
        )

    def pictures(
        self, image_ids: Int[np.ndarray, "images"], side: int
    ) -> UInt8[np.ndarray, "images side side 3"]:
        """Images at another size."""
        images = as_images(self.prepared.images[self.prepared.rows_of(image_ids)])
        size = (side, side)
        return as_pictures(
            torch.nn.functional.interpolate(images, size=size, mode="bicubic", antialias=True)
        )


def open_gallery(
    path: Path, run: DecoderRun, progress: Callable[[int, int], None] | None = None
) -> Gallery:
    """Opens a prepared folder as a gallery; its images are embedded once and kept there.

    Raises:
        FileNotFoundError: no prepared folder.
        ValueError: it is not known which images lie where the run's embeddings do.
    """
    prepared = PreparedSubject(path)
    if run.clip is None or run.vae is None:
        raise ValueError(
            f"{run.folder.path} does not tell by which CLIP images are found: it was converted. "
            "Leave --gallery out."
        )
    targets = target_table(path / "targets", prepared.pictures, run.clip, run.vae, progress)
    tokens = targets.tokens(torch.from_numpy(prepared.image_ids))
    return Gallery(
        prepared=prepared,
        embeddings=embedding_of(tokens),
        identity=sha256_of(path / MANIFEST),
    )


def hit_row(
    system: str,
    image_ids: Int[np.ndarray, "images"],
    found: Int[np.ndarray, "images found"],
    num_images: int,
) -> MetricRow:
    """How often the image that was shown is among those found, with the exact interval."""
    hits = (found == image_ids[:, None]).any(1)
    interval = proportion_interval(int(hits.sum()), len(hits))._asdict()
    return MetricRow(
        system=system,
        metric=f"image retrieval top-{found.shape[1]} of {num_images}",
        n=len(hits),
        chance=found.shape[1] / num_images,
        better="higher",
        **interval,
    )
