"""What the names in a checkpoint's pickle stand for: tensors, plain data, or nothing that runs."""

from dataclasses import dataclass
from typing import Any

import torch

from mindeye.models.checkpoint.stored_tensor import StoredTensor

# Parts of training that lie beside the weights; their names are read, they are never imported.
_MODULES_OF_TRAINING = ("torch.", "deepspeed.", "accelerate.")
_NEVER_OF_TORCH = ("torch.hub", "torch.serialization", "torch.utils", "torch.jit", "torch.package")
_PLAIN = {
    "builtins": "getattr set frozenset list dict tuple slice range complex bytearray object "
    "int float bool str bytes",
    "collections": "OrderedDict defaultdict deque Counter",
    "copyreg": "_reconstructor",
    "_codecs": "encode",
    "functools": "partial",
    "argparse": "Namespace",
    "pathlib": "Path PosixPath WindowsPath PurePosixPath",
    "numpy": "dtype ndarray float16 float32 float64 int32 int64 bool_",
    "numpy.core.multiarray": "scalar _reconstruct",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.multiarray": "scalar _reconstruct",
    "numpy._core.numeric": "_frombuffer",
}
_MODERN_NAME = {"__builtin__": "builtins", "copy_reg": "copyreg"}


@dataclass(frozen=True, eq=False)
class Inert:
    """Stands for an object that only a call could make; the call is not made."""

    name: str
    arguments: Any = ()


def modern_name(module: str) -> str:
    """Python 3's name of a module, which protocol 2 still writes as Python 2 did."""
    return _MODERN_NAME.get(module, module)


def is_of_a_checkpoint(module: str, attribute: str) -> bool:
    """Whether training leaves this name in its checkpoints; nothing is imported to tell."""
    if module == "torch":
        is_dtype = isinstance(getattr(torch, attribute, None), torch.dtype)
        return is_dtype or attribute.endswith("Storage") or attribute in ("Size", "device")
    if module.startswith(_NEVER_OF_TORCH):
        return False
    # `torch.optim os.system` would be reached through a module that imports os.
    is_dotted_path = "." in attribute and attribute.split(".")[0].islower()
    if module.startswith(_MODULES_OF_TRAINING):
        return not is_dotted_path
    return attribute in _PLAIN.get(module, "").split()


def built(function: Any, arguments: Any) -> Any:
    """What a call would give where that is plain data or a tensor; else an `Inert`."""
    name = function.name if isinstance(function, Inert) else type(function).__name__
    match name:
        case "collections.OrderedDict":
            return dict(*arguments)
        case "collections.defaultdict":
            return {}
        case "torch.Size":
            return tuple(arguments[0])
        case "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state":
            return arguments[0]
        case "torch._tensor._rebuild_from_type_v2":
            return built(arguments[0], arguments[2])
        case "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor":
            return _tensor(arguments[0].dtype, arguments)
        case "torch._utils._rebuild_tensor_v3":
            return _tensor(dtype_of_name(arguments[6].name), arguments)
    return Inert(name, arguments)


def _tensor(dtype: torch.dtype, arguments: tuple) -> StoredTensor:
    storage, offset, shape, strides = arguments[:4]
    stored = StoredTensor(
        storage=storage, dtype=dtype, offset=offset, shape=tuple(shape), strides=tuple(strides)
    )
    if not stored.is_whole:
        raise ValueError(f"a tensor of shape {stored.shape} reaches beyond its storage")
    return stored


def dtype_of_name(name: str) -> torch.dtype:
    """`torch.float16` -> that dtype.

    Raises:
        LookupError: torch has no such dtype.
    """
    dtype = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise LookupError(f"`{name}` is no dtype of this torch. Update torch, or save again.")
    return dtype
