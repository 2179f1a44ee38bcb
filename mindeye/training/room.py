"""What a training will write, so that a full disk is found before it."""

from pathlib import Path

from torch import nn

from mindeye.disk import require_free_space
from mindeye.training.choice import ChoiceConfig

BYTES_PER_NUMBER = 4
# AdamW's two moments of each weight that learns.
MOMENTS = 2
# The newest checkpoint, the one before, and the one that is being written.
COPIES = 3
# Generous for what is small: log, voxel bundles, configuration.
SMALL_FILES = 10_000_000


def numbers_in(decoder: nn.Module) -> tuple[int, int]:
    """How many numbers its weights are, and how many of these learn."""
    learning = sum(one.numel() for one in decoder.parameters() if one.requires_grad)
    return sum(one.numel() for one in decoder.state_dict().values()), learning


def bytes_of_checkpoint(num_weights: int, num_learning: int, choice: ChoiceConfig) -> int:
    """Weights, moments and, where the choice needs them, averaged and best weights."""
    averaged = num_learning if choice.ema_decay else 0
    best = num_weights if choice.weights == "best" else 0
    return BYTES_PER_NUMBER * (num_weights + MOMENTS * num_learning + averaged + best)


def bytes_of_run(num_weights: int, num_learning: int, choice: ChoiceConfig) -> int:
    """The most that a run folder holds at any moment of its training.

    The final weights find the room of the checkpoint that is no longer written.

    Args:
        num_learning: those of the weights that are trained.
    """
    return COPIES * bytes_of_checkpoint(num_weights, num_learning, choice) + SMALL_FILES


def require_room(run: Path, num_bytes: int) -> None:
    """Refuses a training that would fill the disk; what a run has written counts as there.

    Raises:
        OSError: both numbers are named.
    """
    there = sum(one.stat().st_size for one in run.rglob("*") if one.is_file())
    require_free_space(run, max(0, num_bytes - there), "The training")
