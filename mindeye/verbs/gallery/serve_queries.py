"""What the server searches by: texts and pictures through CLIP, scans through a run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from mindeye.pictures import as_images
from mindeye.reconstruction.converted_run import provenance_of_run
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.gallery_queries import (
    first_tokens,
    network_of,
    picture_queries,
    require_comparable,
    require_same_network,
    text_queries,
)
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.opening import clip_of, open_run
from mindeye.reconstruction.run_networks import is_unnamed
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.serving.service import BrainImages
from mindeye.run import RunFolder
from mindeye.targets.clip import OFFLINE_CLIP, ClipTarget, load_clip


@dataclass(frozen=True, kw_only=True)
class ClipQueries:
    """Implements `QueryEmbedder` by the CLIP that has embedded the gallery."""

    clip: ClipTarget

    def embed_text(self, text: str) -> Float32[np.ndarray, "features"]:
        return text_queries(self.clip, [text])[0]

    def embed_picture(
        self, picture: UInt8[np.ndarray, "height width 3"]
    ) -> Float32[np.ndarray, "features"]:
        return picture_queries(self.clip, as_images(central_square(picture)[None]))[0]


def central_square(
    picture: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "side side 3"]:
    """What CLIP sees of a picture."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def query_clip(
    gallery: Gallery, folder: Path | None, run: Path | None, device: str
) -> ClipQueries | None:
    """The CLIP that embeds texts and pictures; None where nobody named one and ours is another.

    Args:
        folder: of the CLIP; None: that of the run, or without one the offline one.

    Raises:
        FileNotFoundError: no CLIP there.
        ValueError: the named CLIP has not embedded the gallery.
    """
    if folder is None and run is not None:
        folder = Path(RunFolder(path=run).provenance()["paths"]["clip"] or OFFLINE_CLIP)
    clip = load_clip(folder, device)
    if folder is None and network_of(clip.identity) != network_of(gallery.network):
        return None
    require_same_network(gallery, clip, "the offline CLIP" if folder is None else str(folder))
    return ClipQueries(clip=clip)


def brain_images(
    path: Path,
    gallery: Gallery,
    *,
    subject: int | None,
    data: Path | None,
    device: str,
    clip: Path | None = None,
) -> tuple[BrainImages, dict | None]:
    """What a run decodes of its test scans, and what SIMULATED.json says of their subject.

    The query is the first of the retrieval tokens: that of CLIP's embedding, which text shares.

    Args:
        clip: the folder that embedded the gallery; a converted run names none of its own.

    Raises:
        FileNotFoundError, LookupError: see `open_run`.
        ValueError: the run has learned another CLIP, or tokens without an embedding among them; or
            see `open_run`.
    """
    folder = RunFolder(path=path)
    given = GivenNetworks(clip=clip) if is_unnamed(folder.provenance()) else NONE_GIVEN
    chosen = {"data": data, "given": given, "needs_vae": False}
    learned = clip_of(folder, provenance=provenance_of_run(folder, **chosen))
    require_comparable(learned.form, str(path))
    require_same_network(gallery, learned, f"the CLIP that {path} has learned")
    run = open_run(path, subject=subject, device=device, **chosen)
    decoded = decode(run.decoder, run.prepared.repeats("test"))
    token_shape = run.decoder.architecture.token_shape

    def seen(image_id: int) -> UInt8[np.ndarray, "height width 3"]:
        return np.array(run.prepared.images[run.prepared.rows_of(np.array([image_id]))[0]])

    images = BrainImages(
        image_ids=decoded.image_ids.numpy(),
        embeddings=first_tokens(decoded.embeddings, token_shape),
        seen=seen,
    )
    return images, run.about["simulated"]
