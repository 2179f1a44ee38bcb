"""Which weights a training ends with, and when: by validation, never by the test set."""

from collections.abc import Sequence
from dataclasses import dataclass

from mindeye.training.ranges import require

WEIGHTS = ("last", "best")
# Parts of the decoder between scans and embeddings.
RETRIEVING = ("ridge", "backbone", "token_head", "contrastive_head")


@dataclass(frozen=True, kw_only=True)
class ChoiceConfig:
    weights: str = "last"
    """Which weights are kept: those of the `last` step, or the `best` at an epoch's end by the
    validation images (mean over subjects; of equals the earlier): most image retrieval, or least
    distance of the latents where the low level alone is learned."""
    patience: int | None = None
    """Epochs without a better validation after which the training ends; all epochs when left
    out."""
    ema_decay: float | None = None
    """Decay of an exponential moving average of the weights, which is then validated and kept in
    their place; none when left out. Its first steps decay faster: (1 + step) / (10 + step)."""

    def __post_init__(self) -> None:
        known, named = self.weights in WEIGHTS, " or ".join(WEIGHTS)
        require(known, "choice.weights", self.weights, named)
        patience, decay = self.patience, self.ema_decay
        require(patience is None or patience >= 1, "choice.patience", patience, "1 or more")
        within = decay is None or 0 < decay < 1
        require(within, "choice.ema_decay", decay, "more than 0 and less than 1")

    @property
    def by_validation(self) -> bool:
        return self.weights == "best" or self.patience is not None


def require_retrieval_learns(
    choice: ChoiceConfig, parts: Sequence[str] | None, *, has_head: bool
) -> None:
    """Refuses a choice by image retrieval where retrieval stays as it is.

    Args:
        parts: those that are trained; None: all.
        has_head: whether the contrastive head learns or has learned.

    Raises:
        ValueError: no part of the way to the embeddings is trained, or the head's start is random.
    """
    if not choice.by_validation:
        return
    if parts is not None and not set(RETRIEVING) & set(parts):
        raise ValueError(
            f"`choice` goes by image retrieval, but `parts` trains {', '.join(parts)} alone, and "
            "the first epoch would count as the best. Keep the last weights, without patience; or, "
            "for the low level, set losses.contrastive and losses.prior to 0."
        )
    if not has_head:
        raise ValueError(
            "`choice` goes by image retrieval, but `losses.contrastive` is 0 and the contrastive "
            "head stays random. Keep the last weights, without patience, or learn contrast too."
        )


def require_validation(choice: ChoiceConfig, num_images: int) -> None:
    """Refuses a choice by validation where nothing is validated.

    Raises:
        ValueError: no validation images.
    """
    if choice.by_validation and not num_images:
        raise ValueError(
            f"`choice` is {choice.weights} weights with patience {choice.patience}, but no "
            "prepared folder has validation images. Prepare with some, or keep the last weights."
        )
