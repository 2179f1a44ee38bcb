"""What a gallery is searched for: brains, pictures and texts as vectors of the gallery's network.

A gallery holds the embedding of each picture, which is the direction of CLIP's first (CLS) token.
Of a run that learned all projected tokens, only the first is comparable with it; one that learned
the embedding alone (MindEye1's 1 x 768 variant) gives nothing else; patch tokens are not.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from mindeye.retrieval.gallery.folder import Gallery
from mindeye.targets.clip import FORMS, ClipTarget

COMPARABLE = ("projected", "embedding")
"""Forms of tokens whose first is the embedding, up to its length."""


def network_of(identity: str) -> str:
    """A CLIP's identity without the form of its tokens, and without how larger pictures were made
    smaller for it: what its embeddings are known by.

    MindEye1 did not filter them (`+aliased`) and searched LAION's, which were.
    """
    for form in FORMS:
        identity = identity.removesuffix(f"+{form}")
    return identity.removesuffix("+aliased")


def require_same_network(gallery: Gallery, clip: ClipTarget, whose: str) -> None:
    """Refuses queries of another network than that of the gallery.

    Args:
        whose: for the message: whose network `clip` is.

    Raises:
        ValueError: names both networks.
    """
    if network_of(gallery.network) != network_of(clip.identity):
        raise ValueError(
            f"{gallery.path} was embedded by {gallery.network}, but {whose} is {clip.identity}. "
            "Cosines between two networks mean nothing: embed the gallery by that network, or "
            "search another gallery."
        )


def require_comparable(form: str, whose: str) -> None:
    """Refuses tokens without an embedding among them.

    Args:
        form: of the tokens, a key of `FORMS`.

    Raises:
        ValueError: names the form.
    """
    if form not in COMPARABLE:
        raise ValueError(
            f"{whose} learned `{form}` tokens, of which none is comparable with the "
            f"embeddings of a gallery. Take a run of the form {' or '.join(COMPARABLE)}."
        )


def first_tokens(
    embeddings: Float[Tensor, "images features"], token_shape: tuple[int, int]
) -> Float32[np.ndarray, "images width"]:
    """Embeddings of all tokens (`embedding_of`) -> unit vectors of the first token."""
    first = embeddings.unflatten(1, token_shape)[:, 0].float()
    return functional.normalize(first, dim=-1).cpu().numpy()


@torch.inference_mode()
def picture_queries(
    clip: ClipTarget, images: Float[Tensor, "images 3 height width"]
) -> Float32[np.ndarray, "images embedding"]:
    """Unit vectors of pictures in [0, 1]."""
    require_comparable(clip.form, "The network")
    device = clip.model.visual.proj.device
    tokens = clip.tokens(images.to(device))
    return first_tokens(tokens.flatten(1), tuple(tokens.shape[1:]))


@torch.inference_mode()
def text_queries(clip: ClipTarget, texts: list[str]) -> Float32[np.ndarray, "texts width"]:
    """Unit vectors of texts.

    Raises:
        LookupError: a network without a text part.
        ValueError: an empty text.
    """
    if not hasattr(clip.model, "encode_text"):
        raise LookupError(f"{clip.identity} has no text part. Search with --image or --embedding.")
    empty = [text for text in texts if not text.strip()]
    if empty:
        raise ValueError("A text to search for is empty. Write what the picture should show.")
    return clip.text_embeddings(texts).float().cpu().numpy()
