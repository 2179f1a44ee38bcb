"""A run's test scans as queries to a gallery: what both retrieval and its benchmark begin with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from mindeye.files import sha256_of
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images
from mindeye.reconstruction.converted_run import provenance_of_run
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.gallery_queries import (
    first_tokens,
    require_comparable,
    require_same_network,
)
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.image_tokens import tokens_of
from mindeye.reconstruction.opening import OpenRun, clip_of, open_run
from mindeye.retrieval.gallery.blocks import Blocks, TokenSearch, embedding_blocks, token_blocks
from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.folder import MANIFEST, Gallery, open_gallery
from mindeye.retrieval.gallery.open_engine import open_engine
from mindeye.run import RunFolder
from mindeye.targets.cached_rows import EMBED_BATCH
from mindeye.targets.clip import ClipTarget
from mindeye.verbs.device import require_device
from mindeye.verbs.gallery.searchable import simulated_gallery
from mindeye.verbs.switched_on import switched_on

BY_EMBEDDING, BY_TOKENS = "embedding", "tokens"
GALLERY_QUIRKS = ("averaged_outputs",)


@dataclass(frozen=True, kw_only=True)
class GallerySettings:
    """Which scans, decoded how, are compared by what."""

    by: str = BY_EMBEDDING
    """`embedding`: the first (CLS) token, which every gallery holds; `tokens`: all tokens, exactly,
    where the gallery holds them."""
    subject: int | None = None
    data: Path | None = None
    compat: str | None = None
    quirk_settings: Sequence[str] = ()
    given: GivenNetworks = NONE_GIVEN
    """The CLIP of a converted run."""
    device: str = "cpu"
    engine: EngineChoice = field(default_factory=EngineChoice)
    """What finds by embedding; all tokens are compared exactly, without one."""


@dataclass(frozen=True, kw_only=True)
class GalleryMaterial:
    """An open run and gallery of one network, with queries and truths in the gallery's space."""

    run: OpenRun
    clip: ClipTarget
    gallery: Gallery
    index: VectorIndex
    blocks: Blocks
    image_ids: Int[np.ndarray, "images"]
    brain: Float32[np.ndarray, "images width"]
    truths: Float32[np.ndarray, "images width"]
    looks: Float32[np.ndarray, "images embedding"]
    """Embeddings of the seen pictures."""
    tokens: Float[torch.Tensor, "images features"]
    """All tokens of the contrastive head as one unit vector: what selects among candidates."""
    about: dict[str, Any]
    """Run, gallery, network, quirks, banner."""


def open_material(run_path: Path, gallery_path: Path, settings: GallerySettings) -> GalleryMaterial:
    """Opens both and decodes the test scans; nothing is searched for yet.

    Raises:
        FileNotFoundError: no run or no gallery there.
        LookupError: an unknown way to compare, subject, quirk or device.
        ValueError: another network than the run's, tokens that are not comparable, or that shall be
            searched by an engine; or see `open_run`.
    """
    if settings.by not in (BY_EMBEDDING, BY_TOKENS):
        raise LookupError(
            f"Pictures cannot be compared by `{settings.by}`. Choose {BY_EMBEDDING} or {BY_TOKENS}."
        )
    if settings.by == BY_TOKENS and settings.engine.engine != EngineChoice().engine:
        raise ValueError(
            f"All tokens are compared exactly, without {settings.engine.engine}. Leave --engine "
            "and --uri out, or --by tokens."
        )
    require_device(settings.device)
    folder, gallery = RunFolder(path=run_path), open_gallery(gallery_path)
    on = switched_on(folder, settings.compat, settings.quirk_settings, GALLERY_QUIRKS)
    chosen = {"given": settings.given, "data": settings.data, "needs_vae": False}
    provenance = provenance_of_run(folder, **chosen)
    require_comparable(provenance.get("clip_tokens", "projected"), str(run_path))
    clip = clip_of(folder, settings.device, provenance)
    require_same_network(gallery, clip, f"the network of {run_path}")
    run = open_run(run_path, subject=settings.subject, device=settings.device, **chosen)
    scans = run.prepared.repeats("test")
    decoded = decode(run.decoder, scans, averaged_outputs="averaged_outputs" in on)
    shown = embedding_of(_seen_tokens(run, clip, scans.image_ids))
    tokens = decoded.embeddings.cpu()
    shape = clip.token_shape
    looks = first_tokens(shown, shape)
    if settings.by == BY_TOKENS:
        index, blocks = TokenSearch(gallery), partial(token_blocks, gallery)
        brain, truths = tokens.numpy(), shown.numpy()
    else:
        index, blocks = open_engine(gallery, settings.engine), partial(embedding_blocks, gallery)
        brain, truths = first_tokens(tokens, shape), looks
    return GalleryMaterial(
        run=run,
        clip=clip,
        gallery=gallery,
        index=index,
        blocks=blocks,
        image_ids=scans.image_ids.numpy(),
        brain=brain,
        truths=truths,
        looks=looks,
        tokens=tokens,
        about={
            **run.about,
            "quirks": list(on),
            "image_ids": scans.image_ids.tolist(),
            "compared by": settings.by,
            "gallery": about_gallery(gallery),
        },
    )


def _seen_tokens(
    run: OpenRun, clip: ClipTarget, image_ids: Int[torch.Tensor, "images"]
) -> Float[torch.Tensor, "images tokens width"]:
    """Of the seen pictures, made smaller as those of a gallery are: filtered."""
    if clip.antialias:
        return tokens_of(run, image_ids.numpy())(image_ids)
    filtered, device = replace(clip, antialias=True), clip.model.visual.proj.device
    rows = torch.from_numpy(run.prepared.rows_of(image_ids.numpy()))
    with torch.inference_mode():
        return torch.cat(
            [
                filtered.tokens(as_images(run.prepared.images[block.numpy()]).to(device)).cpu()
                for block in rows.split(EMBED_BATCH)
            ]
        )


def about_gallery(gallery: Gallery) -> dict[str, Any]:
    """What tells a gallery from others."""
    return {
        "path": str(gallery.path.resolve()),
        "manifest": sha256_of(gallery.path / MANIFEST),
        "network": gallery.network,
        "vectors": gallery.num_kept,
        "simulated": simulated_gallery(gallery),
    }
