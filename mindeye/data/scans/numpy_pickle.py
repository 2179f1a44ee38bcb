"""Reads the pickle inside of an object .npy as data: nothing that it names is imported or called.

GLMsingle saves a dictionary with `np.save`, which pickles it. A pickle is a program; of its
instructions only those that build dictionaries, lists, strings, numbers and NumPy arrays are
interpreted here, and any other refuses the file.
"""

import pickletools
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mindeye.pickle_machine import PickleMachine

_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_SCALAR = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar")
_KNOWN = (*_RECONSTRUCT, *_SCALAR, "numpy ndarray", "numpy dtype")
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, OverflowError, EOFError)


class _Name(NamedTuple):
    """Something that a pickle names."""

    name: str


class _Array:
    """An array, or a dtype, between its making and the instruction that fills it."""

    def __init__(self, dtype: np.dtype | None = None) -> None:
        self.value: Any = dtype

    def fill(self, state: tuple) -> None:
        if isinstance(self.value, np.dtype):
            # (version, byte order, ...): the order is all that a number's dtype needs.
            order = state[1] if state[1] in ("<", ">", "=") else "="
            self.value = self.value.newbyteorder(order)
            return
        _, shape, dtype, fortran, content = state
        kind = _plain(dtype)
        if kind.hasobject:
            self.value = [_plain(one) for one in content]
            return
        flat = np.frombuffer(content, kind)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def read_numpy_pickle(path: Path, *, trust: bool) -> Any:
    """The one object of an .npy file that was saved with a pickle.

    Raises:
        ValueError: not trusted, damaged, or with instructions that data do not need.
    """
    if not trust:
        raise ValueError(
            f"{path} is a Python pickle, which could run code when it is loaded. Save it again "
            "with np.savez or with GLMsingle's wanthdf5, or pass --trust-pickle."
        )
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            read(stream)
            content = _interpreted(stream)
        except _BROKEN as error:
            raise ValueError(
                f"{path} cannot be read ({error}). Save it again with np.savez or as hdf5."
            ) from error
    return content[0] if isinstance(content, list) and len(content) == 1 else content


def _interpreted(stream: BufferedReader) -> Any:
    machine = _ArrayMachine()
    for opcode, argument, _ in pickletools.genops(stream):
        machine.step(opcode.name, argument)
    return _plain(machine.stack.pop())


def _plain(value: Any) -> Any:
    """Arrays and dtypes out of what was filled in; containers as they are."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(one) for one in value)
    return value


class _ArrayMachine(PickleMachine):
    """A pickle of NumPy arrays in plain containers."""

    def refuse_instruction(self, name: str) -> None:
        raise ValueError(f"its pickle uses the instruction {name}, which no array needs")

    def name(self, module: str, attribute: str) -> None:
        name = f"{module} {attribute}"
        if name not in _KNOWN:
            raise ValueError(f"its pickle names {module}.{attribute}, which is no array")
        self.stack.append(_Name(name))

    def call(self, function: Any, arguments: tuple) -> None:
        if not isinstance(function, _Name):
            raise ValueError("its pickle calls something that is no array")
        if function.name in _RECONSTRUCT:
            self.stack.append(_Array())
        elif function.name == "numpy dtype":
            self.stack.append(_Array(np.dtype(arguments[0])))
        elif function.name in _SCALAR:
            self.stack.append(np.frombuffer(arguments[1], _plain(arguments[0]))[0])
        else:
            raise ValueError(f"its pickle calls {function.name}, which makes no array")

    def build(self, state: Any) -> None:
        if not isinstance(self.stack[-1], _Array):
            raise ValueError("its pickle fills something that is no array")
        self.stack[-1].fill(state)
