"""Target embeddings, computed once for each image and frozen network, kept memory-mapped."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.disk import require_free_space, reserve
from mindeye.files import atomic_path, read_json, write_json
from mindeye.pictures import as_images
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget

EMBED_BATCH = 100


@dataclass(frozen=True, kw_only=True)
class TargetTable:
    """Rows of CLIP tokens and VAE latents, one for each image id."""

    image_ids: Int[np.ndarray, "images"]
    tokens_array: Float[np.ndarray, "images tokens width"]
    latents_array: Float[np.ndarray, "images channels rows columns"]

    def rows_of(self, image_ids: Int[Tensor, "images"]) -> Int[np.ndarray, "images"]:
        """Row numbers of image ids.

        Raises:
            LookupError: an id that has no row.
        """
        wanted = image_ids.numpy()
        rows = np.searchsorted(self.image_ids, wanted).clip(max=len(self.image_ids) - 1)
        absent = wanted[self.image_ids[rows] != wanted]
        if len(absent):
            raise LookupError(
                f"{len(absent)} images have no cached embedding, first id {int(absent[0])}. "
                "Run `mindeye prepare` again for this data set."
            )
        return rows

    def tokens(self, image_ids: Int[Tensor, "images"]) -> Float[Tensor, "images tokens width"]:
        """CLIP tokens, float32."""
        return torch.from_numpy(self.tokens_array[self.rows_of(image_ids)]).float()

    def latents(
        self, image_ids: Int[Tensor, "images"]
    ) -> Float[Tensor, "images channels rows columns"]:
        """VAE latents, float32, scaled."""
        return torch.from_numpy(self.latents_array[self.rows_of(image_ids)]).float()


def target_table(
    folder: Path,
    images: np.ndarray,
    image_ids: Int[np.ndarray, "images"],
    clip: ClipTarget,
    vae: VaeTarget,
    progress: Callable[[int, int], None] | None = None,
) -> TargetTable:
    """Opens the cache of these two networks in `folder`, or makes it.

    `images` are uint8 (images, side, side, 3), usually a memory map. The cache is keyed by both
    networks' weights; another network makes another one beside it.
    """
    place = folder / f"{clip.identity}+{vae.identity}"
    manifest_path = place / "manifest.json"
    manifest = {"images": len(image_ids), "clip": clip.identity, "vae": vae.identity}
    if not manifest_path.exists() or read_json(manifest_path) != manifest:
        latent_shape = vae.latent_shape
        bytes_per_image = 2 * (np.prod(clip.token_shape) + np.prod(latent_shape))
        require_free_space(folder, int(len(images) * bytes_per_image), "The embedding cache")
        with (
            atomic_path(place / "tokens.npy") as tokens_path,
            atomic_path(place / "latents.npy") as latents_path,
            tokens_path.open("wb") as tokens,
            latents_path.open("wb") as latents,
        ):
            _begin_array(tokens, (len(images), *clip.token_shape))
            _begin_array(latents, (len(images), *latent_shape))
            for start in range(0, len(images), EMBED_BATCH):
                block = slice(start, start + EMBED_BATCH)
                pixels = as_images(images[block]).to(clip.model.visual.proj.device)
                with torch.inference_mode():
                    _append(tokens, clip.tokens(pixels))
                    _append(latents, vae.latents(pixels))
                if progress:
                    progress(min(start + EMBED_BATCH, len(images)), len(images))
        write_json(manifest_path, manifest)
    return TargetTable(
        image_ids=image_ids,
        tokens_array=np.load(place / "tokens.npy", mmap_mode="r"),
        latents_array=np.load(place / "latents.npy", mmap_mode="r"),
    )


def _begin_array(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    """The header of a float16 .npy, and room for its rows."""
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    # Written through the stream: a full disk would end a memory map's process without a word.
    stream.flush()
    reserve(stream, stream.tell() + 2 * math.prod(shape))


def _append(stream: BinaryIO, rows: Tensor) -> None:
    stream.write(rows.cpu().numpy().astype("<f2").tobytes())
