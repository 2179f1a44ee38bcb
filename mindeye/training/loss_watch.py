"""Losses that stay on the device until somebody asks for them."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.training.finite import require_finite_step

# Steps after which the losses of an accelerator are fetched; asking in every step would make the
# processor wait for it, and it for the processor.
FETCH_EVERY = 10


class LossWatch:
    """Sees the losses of every step, fetches them in one transfer, refuses what is not finite."""

    def __init__(self, *, fetch_every: int) -> None:
        self.fetch_every = fetch_every
        self.latest: dict[str, float] = {}
        """Losses and monitors of the last step that was fetched."""
        self._pending: list[tuple[int, tuple[str, ...], Tensor]] = []

    @classmethod
    def on(cls, device: torch.device) -> "LossWatch":
        """On a processor values are at hand: each step is checked before it changes a weight."""
        return cls(fetch_every=1 if device.type == "cpu" else FETCH_EVERY)

    def see(
        self,
        step: int,
        total: Float[Tensor, ""],
        values: Mapping[str, Float[Tensor, ""]],
        gradients: Float[Tensor, ""] | None = None,
    ) -> None:
        """Takes the values of a step, and a size of its gradients.

        Raises:
            NonFiniteError: as `fetch`, when it is time to.
        """
        gradients = torch.zeros_like(total) if gradients is None else gradients
        row = torch.stack([one.detach().float() for one in (total, gradients, *values.values())])
        self._pending.append((step, tuple(values), row))
        if len(self._pending) >= self.fetch_every:
            self.fetch()

    def fetch(self) -> dict[str, float]:
        """The values of the last step; all that were seen are checked.

        Raises:
            NonFiniteError: a loss or a gradient was not finite; names the first such step and its
                losses.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return self.latest
        # Rows need not be equally long: a phase may have losses of its own.
        numbers = iter(torch.cat([row for _, _, row in pending]).tolist())
        for step, names, _ in pending:
            total, gradients = next(numbers), next(numbers)
            self.latest = {name: next(numbers) for name in names}
            require_finite_step(step, total, gradients, self.latest)
        return self.latest
