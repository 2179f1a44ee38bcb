"""Tensors and plain values in one file that knows whether it is whole."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mindeye.disk import unwritten
from mindeye.files import atomic_path

_PLAIN = (bool, int, float, str, type(None))


def save_state(path: Path, state: Any) -> None:
    """Writes tensors nested in mappings, lists and tuples with plain values between them.

    A safetensors file, whole or not at all and on the disk when this returns. Its metadata hold
    the nesting as JSON and the SHA-256 of all that is in it: loading runs no code, and a bit that
    flipped is seen.

    Raises:
        UnwrittenError: the disk is full.
    """
    tensors: dict[str, Tensor] = {}
    about = json.dumps(_taken_apart(state, "", tensors))
    tensors = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
    metadata = {"about": about, "sha256": _digest(about, tensors)}
    with atomic_path(path, durable=True) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:
            raise unwritten(path, error) from error


def load_state(path: Path) -> Any:
    """What `save_state` wrote, tensors on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            # Clones: a tensor that lies in the file itself would keep its room when it is replaced.
            names = list(stored.keys())
            tensors = {name: stored.get_tensor(name).clone() for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}).") from error
    about = metadata.get("about", "")
    if metadata.get("sha256") != _digest(about, tensors):
        raise ValueError(f"{path} is damaged (its SHA-256 is not the one that was written).")
    return _put_together(json.loads(about), tensors)


def _taken_apart(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """JSON of the nesting; tensors go to `tensors` under their path."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        items = value.items()
        return {"items": [[k, _taken_apart(one, _below(path, k), tensors)] for k, one in items]}
    if isinstance(value, list | tuple):
        parts = [_taken_apart(one, _below(path, k), tensors) for k, one in enumerate(value)]
        return {type(value).__name__: parts}
    raise TypeError(f"`{path}` is {type(value).__name__}, which cannot be kept without code.")


def _put_together(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "items":
        return {key: _put_together(one, tensors) for key, one in content}
    parts = [_put_together(one, tensors) for one in content]
    return tuple(parts) if kind == "tuple" else parts


def _below(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def _digest(about: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(about.encode())
    for name, one in sorted(tensors.items()):
        digest.update(f"{name} {one.dtype} {list(one.shape)}".encode())
        digest.update(memoryview(one.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
