"""What a run's CLIP says of pictures, where no latents are needed: retrieval and captions."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.pictures import SavedPictures
from mindeye.reconstruction.opening import OpenRun
from mindeye.reconstruction.run_networks import clip_of
from mindeye.targets.cached_rows import cached_rows
from mindeye.targets.embedder import Embedder

TokensOf = Callable[[Int[Tensor, "images"]], Float[Tensor, "images tokens width"]]
"""Image ids -> CLIP tokens, float32."""


def tokens_of(
    run: OpenRun,
    image_ids: Int[np.ndarray, "images"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TokensOf:
    """Gives tokens of pictures by their ids: of a run that trained on them, from its table.

    Those of a converted run are made at their first use and kept in the prepared folder: of some
    pictures alone (a large CLIP takes hours for all on a CPU), but where all are there already.

    Args:
        image_ids: ascending, those that will be asked for; None: all.
        progress: told how many pictures of how many are embedded.
    """
    if "given" not in run.provenance:
        return run.targets.tokens
    embedder = _embedder_of(run)
    folder, pictures = run.prepared.path / "targets", run.prepared.pictures
    if image_ids is not None and not (folder / embedder.name).exists():
        pictures = replace(pictures, image_ids=image_ids, rows=run.prepared.rows_of(image_ids))
        folder = folder / name_of_some(pictures)
    (rows,) = cached_rows(folder, pictures, [embedder], progress)
    return lambda wanted: rows.of(wanted).float()


def name_of_some(pictures: SavedPictures) -> str:
    """Folder of the cache that holds what networks say of these pictures and no others."""
    return f"{len(pictures.image_ids)}-pictures-{pictures.ids_hash[:12]}"


def _embedder_of(run: OpenRun) -> Embedder:
    """Of a converted run; its CLIP is opened when the first picture is embedded."""
    device = next(run.decoder.parameters()).device
    opened = cache(lambda: clip_of(run.folder, device, run.provenance))
    return Embedder(
        role="tokens",
        identity=run.provenance["networks"]["clip"],
        row_shape=run.decoder.architecture.token_shape,
        device=device,
        embed=lambda images: opened().tokens(images),
    )
