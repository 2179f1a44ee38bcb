"""Opens a checkpoint that others saved, without running any code that it may hold.

Reads what `torch.save` writes, safetensors, and folders of DeepSpeed's ZeRO stages 1 and 2.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from mindeye.models.checkpoint.saved_by_torch import read_saved
from mindeye.models.checkpoint.stored_tensor import Storage, StoredTensor, contiguous_strides
from mindeye.models.checkpoint.weights import Checkpoint, CheckpointWeights, state_of
from mindeye.models.checkpoint.zero_folder import open_zero_folder

_DTYPE_OF_SAFETENSORS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def open_checkpoint(path: Path) -> Checkpoint:
    """Opens a file of torch.save or safetensors, or a ZeRO folder.

    Raises:
        FileNotFoundError: nothing there, or a folder without a checkpoint.
        ValueError: cut off, no checkpoint, or a pickle that would run code.
    """
    if path.is_dir():
        return open_zero_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint at {path}. Is its name right?")
    if _is_safetensors(path):
        return Checkpoint(weights=_safetensors_weights(path), epoch=None, files=(path,))
    content = read_saved(path)
    epoch = content.get("epoch") if isinstance(content, dict) else None
    return Checkpoint(
        weights=CheckpointWeights(state_of(content, path)),
        epoch=epoch if isinstance(epoch, int) else None,
        files=(path,),
    )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as stream:
        return path.suffix == ".safetensors" or stream.read(9)[8:] == b"{"


def _safetensors_weights(path: Path) -> CheckpointWeights:
    try:
        with safe_open(path, framework="pt"):
            pass  # checks that lengths and offsets agree
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}). Fetch it again.") from error
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    stored = {}
    for name, one in header.items():
        if name == "__metadata__":
            continue
        dtype = _DTYPE_OF_SAFETENSORS[one["dtype"]]
        first, last = one["data_offsets"]
        shape = tuple(one["shape"])
        stored[name] = StoredTensor(
            storage=Storage(
                path=path, num_bytes=last - first, dtype=dtype, start=8 + length + first
            ),
            dtype=dtype,
            offset=0,
            shape=shape,
            strides=contiguous_strides(shape),
        )
    return CheckpointWeights(state_of(stored, path))
