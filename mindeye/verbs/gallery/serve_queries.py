"""What the server searches by: texts and pictures through CLIP, scans through a run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch.nn import functional

from mindeye.pictures import as_images
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_run
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.serving.service import BrainImages
from mindeye.run import RunFolder
from mindeye.targets.clip import OFFLINE_CLIP, ClipTarget, load_clip


@dataclass(frozen=True, kw_only=True)
class ClipQueries:
    """Implements `QueryEmbedder` by the CLIP that has embedded the gallery."""

    clip: ClipTarget

    @torch.inference_mode()
    def embed_text(self, text: str) -> Float32[np.ndarray, "features"]:
        return self.clip.text_embeddings([text])[0].float().cpu().numpy()

    @torch.inference_mode()
    def embed_picture(
        self, picture: UInt8[np.ndarray, "height width 3"]
    ) -> Float32[np.ndarray, "features"]:
        device = self.clip.model.visual.proj.device
        tokens = self.clip.tokens(as_images(central_square(picture)[None]).to(device))
        return functional.normalize(tokens[0, 0].float(), dim=-1).cpu().numpy()


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
    if without_form(clip.identity) == without_form(gallery.network):
        return ClipQueries(clip=clip)
    if folder is None:
        return None
    raise ValueError(
        f"{gallery.path} was embedded by {gallery.network}, but {folder} is {clip.identity}. "
        "Give the folder of that network with --clip."
    )


def brain_images(
    path: Path, gallery: Gallery, *, subject: int | None, data: Path | None, device: str
) -> tuple[BrainImages, dict | None]:
    """What a run decodes of its test scans, and what SIMULATED.json says of their subject.

    The query is the first of the retrieval tokens: that of CLIP's embedding, which text shares.

    Raises:
        FileNotFoundError, LookupError: see `open_run`.
        ValueError: the run has learned another CLIP, or tokens without an embedding among them.
    """
    run = open_run(path, subject=subject, data=data, device=device)
    _require_same_space(run, gallery)
    decoded = decode(run.decoder, run.prepared.repeats("test"))
    tokens = decoded.embeddings.unflatten(1, run.decoder.architecture.token_shape)
    embeddings = functional.normalize(tokens[:, 0].float(), dim=-1)

    def seen(image_id: int) -> UInt8[np.ndarray, "height width 3"]:
        return np.array(run.prepared.images[run.prepared.rows_of(np.array([image_id]))[0]])

    images = BrainImages(
        image_ids=decoded.image_ids.numpy(), embeddings=embeddings.cpu().numpy(), seen=seen
    )
    return images, run.about["simulated"]


def without_form(identity: str) -> str:
    """A CLIP's identity: all its forms of tokens have the same embedding."""
    return identity.removesuffix("+embedding").removesuffix("+patches")


def _require_same_space(run: OpenRun, gallery: Gallery) -> None:
    learned = run.provenance["networks"]["clip"]
    if run.provenance.get("clip_tokens") == "patches":
        raise ValueError(
            f"{run.folder.path} decodes patch tokens, which hold no embedding to search by. "
            "Give a run that was trained on projected tokens, or leave --run out."
        )
    if without_form(learned) != without_form(gallery.network):
        raise ValueError(
            f"{run.folder.path} was trained on {learned}, but {gallery.path} was embedded by "
            f"{gallery.network}. Build the gallery with the CLIP of the run."
        )
