"""What the loss of a prior draws for each trial."""

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PriorDraws:
    times: Int[Tensor, "trials"]
    noise: Float[Tensor, "trials tokens width"]
    drop_brain: Bool[Tensor, "trials"]
    """Whose brain tokens are replaced by the learned null tokens."""
    kept: Float[Tensor, "trials"] | None = None
    """Share of variance that is signal at `times`, where it is looked up while drawing."""
    drop_image: Bool[Tensor, "trials"] | None = None
    """The same of the noisy image tokens, where a prior knows that."""

    def of(self, rows: list[int]) -> "PriorDraws":
        """The draws of some trials."""
        taken = {name: None if one is None else one[rows] for name, one in vars(self).items()}
        return replace(self, **taken)
