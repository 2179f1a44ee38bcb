"""What every generator can do."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class ImageGenerator(Protocol):
    """A frozen network that draws pictures which look, to CLIP, like the given tokens."""

    identity: str
    """Name and weights hash."""
    token_shape: tuple[int, int]
    """(tokens, width) that it takes."""
    side: int
    """Of its pictures, in pixels."""

    def generate(
        self,
        image_tokens: Float[Tensor, "images tokens width"],
        *,
        start: Float[Tensor, "images 3 rows columns"] | None,
        strength: float,
        steps: int,
        guidance: float,
        generators: Sequence[torch.Generator],
        unconditional: Float[Tensor, "images tokens width"] | None = None,
    ) -> Float[Tensor, "images 3 side side"]:
        """RGB in [0, 1].

        Args:
            start: pictures of any size that the drawing starts from (img2img); None starts from
                noise.
            strength: share of the steps that are run from `start`; 1 forgets it.
            guidance: 1 follows the tokens plainly, more exaggerates them.
            generators: one for each picture, so that a picture does not depend on its batch.
            unconditional: what guidance leads away from, at the scale at which the network takes
                tokens (variance about 1); None: zeros, which say nothing.
        """
        ...
