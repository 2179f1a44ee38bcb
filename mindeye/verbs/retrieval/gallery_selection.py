"""Second-order selection among a gallery's pictures: all tokens of CLIP decide among candidates.

Source: MindEye1 (arXiv:2305.18274), retrieval from LAION-5B: the embedding of one token finds
candidates, and the picture whose tokens are most like those of the scan is taken.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.opening import clip_of, open_run
from mindeye.reconstruction.run_networks import is_unnamed
from mindeye.reconstruction.selection import second_order_scores
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.run import RunFolder
from mindeye.targets.clip import ClipTarget
from mindeye.verbs.retrieval.gallery_material import GalleryMaterial


@dataclass(frozen=True, kw_only=True)
class Selector:
    """Scores pictures by all tokens of a run, which may be another than the one that finds them."""

    clip: ClipTarget
    tokens: Float[Tensor, "images features"]
    """Of each test image, what the run's contrastive head says."""
    gallery: Gallery | None
    """Whose stored tokens are taken where it has some; None: pictures are always embedded."""
    about: dict[str, str]

    @torch.inference_mode()
    def scores(
        self,
        image: int,
        rows: Int[np.ndarray, "candidates"],
        pictures: UInt8[np.ndarray, "candidates side side 3"],
    ) -> Float32[np.ndarray, "candidates"]:
        """Of pictures found for one image, the cosine of their tokens with those of the scan."""
        stored = None if self.gallery is None else stored_tokens(self.gallery, rows)
        if stored is None:
            device = self.clip.model.visual.proj.device
            stored = self.clip.tokens(as_images(pictures).to(device)).cpu()
        found = embedding_of(stored)
        return second_order_scores(found[None], self.tokens[image][None])[0].numpy()


def selector_of(material: GalleryMaterial) -> Selector:
    """The run that finds also selects."""
    return Selector(
        clip=material.clip,
        tokens=material.tokens,
        gallery=material.gallery,
        about={"selected by": material.about["weights"]},
    )


def selector_of_run(
    path: Path,
    material: GalleryMaterial,
    device: str,
    *,
    given: GivenNetworks = NONE_GIVEN,
) -> Selector:
    """Another run of the same subject selects, as MindEye1's 257 x 768 run does.

    Args:
        given: the CLIP of a converted run, whose scans are those of the run that finds.

    Raises:
        FileNotFoundError, LookupError, ValueError: as `open_run` says.
        ValueError: it was tested on other images.
    """
    chosen = {"subject": material.run.prepared.subject, "device": device}
    if is_unnamed(RunFolder(path=path).provenance()):
        chosen |= {"given": given, "data": material.run.prepared.path, "needs_vae": False}
    run = open_run(path, **chosen)
    scans = run.prepared.repeats("test")
    if scans.image_ids.tolist() != material.image_ids.tolist():
        raise ValueError(
            f"{path} has {len(scans.image_ids)} test images, {material.run.folder.path} "
            f"{len(material.image_ids)} others. Choose two runs of the same prepared folder."
        )
    return Selector(
        clip=clip_of(run.folder, device, run.provenance),
        tokens=decode(run.decoder, scans).embeddings.cpu(),
        gallery=None,
        about={"selected by": run.about["weights"]},
    )


def stored_tokens(
    gallery: Gallery, rows: Int[np.ndarray, "rows"]
) -> Float[Tensor, "rows tokens width"] | None:
    """All tokens of gallery rows; None where the gallery lacks some."""
    found = [None] * len(rows)
    for number, places in gallery.places_of(rows).items():
        shard = gallery.shards[number]
        tokens = gallery.tokens(shard)
        if tokens is None:
            return None
        for place in places.tolist():
            found[place] = torch.from_numpy(np.array(tokens[rows[place] - shard.first])).float()
    return torch.stack(found)


def fitted(
    picture: UInt8[np.ndarray, "height width 3"], side: int
) -> UInt8[np.ndarray, "_side _side 3"]:
    """The central square of a picture, resized: as the published retrieval prepares candidates."""
    image = ImageOps.fit(Image.fromarray(picture), (side, side), Image.Resampling.BICUBIC)
    return np.asarray(image)
