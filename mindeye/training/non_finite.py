"""What is kept of a step whose loss was not finite."""

from pathlib import Path

import torch
from torch import Tensor

from mindeye.files import write_json
from mindeye.saved_state import save_state
from mindeye.training.drawn_step import StepBatch
from mindeye.training.finite import NonFiniteError
from mindeye.training.order import derived_seed
from mindeye.training.state import TrainingState
from mindeye.training.step_batch import step_batch


def save_batch(state: TrainingState, error: NonFiniteError, path: Path) -> None:
    """Writes betas, image ids and targets of a step, and beside them a JSON to be read."""
    # A batch follows from seed and step: it is made again rather than kept in every step.
    config, step = state.config, error.step
    rows = next(state.length.batches(config.seed, step))
    seeds = {
        "batch": derived_seed(config.seed, step),
        "dropout": derived_seed(config.seed, step, 1),
    }
    generator = torch.Generator().manual_seed(seeds["batch"])
    batch = step_batch(config, state.material, rows, generator, state.accelerator.device)
    tensors = tensors_of(batch)
    save_state(path, tensors)
    about = {
        "step": step,
        "seen": str(error),
        "values": {name: str(value) for name, value in error.values.items()},
        "seeds": seeds,
        "image_ids_of_subject": {part.subject: part.image_ids.tolist() for part in batch.parts},
        "not_finite": [name for name, one in tensors.items() if not one.float().isfinite().all()],
        "shapes": {name: list(one.shape) for name, one in tensors.items()},
        "read_with": f"safetensors.torch.load_file({path.name!r})",
    }
    write_json(path.with_suffix(".json"), about)


def tensors_of(batch: StepBatch) -> dict[str, Tensor]:
    """A batch under names that say what is what."""
    found: dict[str, Tensor] = {}
    for part in batch.parts:
        found[f"subject_{part.subject}.betas"] = part.betas
        found[f"subject_{part.subject}.image_ids"] = part.image_ids
    found |= {f"targets.{name}": one for name, one in vars(batch.targets).items()}
    return {name: one for name, one in found.items() if isinstance(one, Tensor)}
