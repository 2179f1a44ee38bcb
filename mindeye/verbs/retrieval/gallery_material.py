"""A run's test scans as queries to a gallery: what both retrieval and its benchmark begin with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from mindeye.files import sha256_of
from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.gallery_queries import (
    first_tokens,
    require_comparable,
    require_same_network,
)
from mindeye.reconstruction.opening import OpenRun, clip_of, open_run
from mindeye.retrieval.gallery.blocks import Blocks, TokenSearch, embedding_blocks, token_blocks
from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.folder import MANIFEST, Gallery, open_gallery
from mindeye.retrieval.gallery.open_engine import open_engine
from mindeye.run import RunFolder
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
            searched by an engine.
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
    clip = clip_of(folder, settings.device)
    require_same_network(gallery, clip, f"the network of {run_path}")
    require_comparable(clip, str(run_path))
    run = open_run(run_path, subject=settings.subject, data=settings.data, device=settings.device)
    scans = run.prepared.repeats("test")
    decoded = decode(run.decoder, scans, averaged_outputs="averaged_outputs" in on)
    shown = embedding_of(run.targets.tokens(scans.image_ids))
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


def about_gallery(gallery: Gallery) -> dict[str, Any]:
    """What tells a gallery from others."""
    return {
        "path": str(gallery.path.resolve()),
        "manifest": sha256_of(gallery.path / MANIFEST),
        "network": gallery.network,
        "vectors": gallery.num_kept,
        "simulated": simulated_gallery(gallery),
    }
