"""CLIP tokens and VAE latents of images, from the cache of what frozen networks say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.files import require_whole
from mindeye.pictures import SavedPictures
from mindeye.targets.cached_rows import CachedRows, cached_rows, rows_of
from mindeye.targets.clip import ClipTarget
from mindeye.targets.embedder import Embedder, View
from mindeye.targets.vae import VaeTarget


@dataclass(frozen=True, kw_only=True)
class TargetTable:
    """Rows of CLIP tokens and VAE latents, one for each image id."""

    image_ids: Int[np.ndarray, "images"]
    tokens_array: Float[np.ndarray, "images tokens width"]
    latents_array: Float[np.ndarray, "images channels rows columns"]

    def stored_tokens(
        self, image_ids: Int[Tensor, "images"], places: slice = slice(None)
    ) -> Float[Tensor, "images tokens width"]:
        """CLIP tokens, or those at some places, as they are stored: half the bytes to bring over.

        Raises:
            LookupError: an id that has no row.
            ValueError: the file was cut off since it was opened.
        """
        return self._taken(self.tokens_array, image_ids, places)

    def stored_latents(
        self, image_ids: Int[Tensor, "images"]
    ) -> Float[Tensor, "images channels rows columns"]:
        """VAE latents, as they are stored, scaled."""
        return self._taken(self.latents_array, image_ids)

    def tokens(self, image_ids: Int[Tensor, "images"]) -> Float[Tensor, "images tokens width"]:
        """CLIP tokens, float32."""
        return self.stored_tokens(image_ids).float()

    def latents(
        self, image_ids: Int[Tensor, "images"]
    ) -> Float[Tensor, "images channels rows columns"]:
        """VAE latents, float32, scaled."""
        return self.stored_latents(image_ids).float()

    def _taken(
        self,
        array: Float[np.ndarray, "images *row"],
        image_ids: Int[Tensor, "wanted"],
        places: slice = slice(None),
    ) -> Float[Tensor, "wanted *some"]:
        require_whole(array)
        return torch.from_numpy(array[rows_of(self.image_ids, image_ids), places])


def table_of(tokens: CachedRows, latents: CachedRows) -> TargetTable:
    """Both of the same images."""
    return TargetTable(
        image_ids=tokens.image_ids, tokens_array=tokens.array, latents_array=latents.array
    )


def target_table(
    folder: Path,
    pictures: SavedPictures,
    clip: ClipTarget,
    vae: VaeTarget,
    progress: Callable[[int, int], None] | None = None,
) -> TargetTable:
    """Opens the rows of these two networks in the cache `folder`, or makes them.

    Each network's rows have a key of their own (name, weights hash, form): another VAE leaves
    CLIP's tokens as they are. See `cached_rows` for what is refused.
    """
    return table_of(*cached_rows(folder, pictures, embedders_of(clip, vae), progress))


def embedders_of(clip: ClipTarget, vae: VaeTarget) -> tuple[Embedder, Embedder]:
    """CLIP's tokens and the VAE's latents of pictures as they are."""
    return (
        clip_embedder(clip),
        Embedder(
            role="latents",
            identity=vae.identity,
            row_shape=vae.latent_shape,
            device=vae.model.device,
            embed=vae.latents,
        ),
    )


def clip_embedder(clip: ClipTarget, view: View | None = None) -> Embedder:
    """CLIP's tokens."""
    return Embedder(
        role="tokens",
        identity=clip.identity,
        row_shape=clip.token_shape,
        device=clip.model.visual.proj.device,
        embed=clip.tokens,
        view=view,
    )
