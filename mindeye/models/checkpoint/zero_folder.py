"""Opens a folder that DeepSpeed's ZeRO (stage 1 or 2) saved, without DeepSpeed.

`latest` names the subfolder. In it `mp_rank_00_model_states.pt` has all weights in 16 bit, and the
files `*_optim_states.pt` have the float32 weights that were trained: all trained tensors of a group
end to end, cut into one piece per process. Those are taken where they are complete.

Source: deepspeed/utils/zero_to_fp32.py; differs: pieces are mapped, and joined one tensor a time.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindeye.models.checkpoint.inert_names import Inert
from mindeye.models.checkpoint.saved_by_torch import read_saved
from mindeye.models.checkpoint.stored_tensor import PartitionedTensor, StoredTensor, flat_piece
from mindeye.models.checkpoint.weights import Checkpoint, CheckpointWeights, own_name, state_of

_MODEL_FILE = "mp_rank_00_model_states.pt"


def open_zero_folder(folder: Path) -> Checkpoint:
    """The weights of a ZeRO folder, float32 where its pieces are there.

    Raises:
        FileNotFoundError: no ZeRO checkpoint in there.
        ValueError: pieces are missing, or the stage is 3.
    """
    inside = _tagged(folder)
    model_path = inside / _MODEL_FILE
    if not model_path.is_file():
        raise FileNotFoundError(
            f"{inside} has no {_MODEL_FILE}. Is this a DeepSpeed checkpoint of stage 1 or 2? "
            "Of stage 3, run its own zero_to_fp32.py first; else give the file, not the folder."
        )
    content = read_saved(model_path)
    stored: dict[str, StoredTensor | PartitionedTensor] = {}
    stored.update(state_of(content, model_path))
    optimizer_paths = sorted(inside.glob("*_optim_states.pt"), key=_in_order_of_rank)
    if optimizer_paths:
        trained = _trained(content, [_optimizer(path) for path in optimizer_paths], inside)
        stored.update({own_name(name): tensor for name, tensor in trained})
    return Checkpoint(
        weights=CheckpointWeights(stored), epoch=None, files=(model_path, *optimizer_paths)
    )


def _tagged(folder: Path) -> Path:
    latest = folder / "latest"
    if not latest.is_file():
        return folder
    tag = latest.read_text(encoding="utf-8").strip()
    if Path(tag).name != tag:
        raise ValueError(f"{latest} names {tag!r}, which is no folder beside it.")
    return folder / tag


def _in_order_of_rank(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)]


def _optimizer(path: Path) -> dict[str, Any]:
    content = read_saved(path)
    state = content.get("optimizer_state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or "zero_stage" not in state:
        raise ValueError(f"{path} holds no ZeRO state. Was the folder saved by DeepSpeed?")
    return state


def _trained(
    model: dict[str, Any], optimizers: list[dict[str, Any]], inside: Path
) -> Iterator[tuple[str, PartitionedTensor]]:
    """Name and float32 tensor of everything that was trained."""
    stage = optimizers[0]["zero_stage"]
    stage = stage.arguments[0] if isinstance(stage, Inert) else stage
    if stage not in (1, 2):
        raise ValueError(f"{inside} is of ZeRO stage {stage}. Run its own zero_to_fp32.py first.")
    processes = optimizers[0]["partition_count"]
    processes = max(processes) if isinstance(processes, list) else processes
    if processes != len(optimizers):
        raise ValueError(
            f"{inside} has {len(optimizers)} of {processes} *_optim_states.pt files. "
            "Copy the others too."
        )
    pieces_of_process = [one["single_partition_of_fp32_groups"] for one in optimizers]
    for shapes, *pieces in zip(model["param_shapes"], *pieces_of_process, strict=True):
        first = 0
        for name, shape in shapes.items():
            count = math.prod(shape)
            parts = _cut(pieces, first, count)
            if sum(part.span for part in parts) != count:
                raise ValueError(f"{inside}: the pieces end within `{name}`. Were files mixed?")
            yield name, PartitionedTensor(pieces=parts, shape=tuple(shape))
            first += count
        unused = sum(piece.span for piece in pieces) - first
        if unused > 4 * processes:  # both ends are padded to a multiple of 2 x processes
            raise ValueError(f"{inside}: {unused} trained numbers belong to no tensor.")


def _cut(pieces: list[StoredTensor], first: int, count: int) -> tuple[StoredTensor, ...]:
    """The parts of flat pieces, laid end to end, that hold elements first to first + count."""
    parts, start = [], 0
    for piece in pieces:
        low, high = max(first, start), min(first + count, start + piece.span)
        if low < high:
            parts.append(flat_piece(piece, low - start, high - low))
        start += piece.span
    return tuple(parts)
