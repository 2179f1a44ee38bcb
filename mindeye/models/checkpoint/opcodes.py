"""Reads torch's pickles as data: opcodes are interpreted here, nothing they name is ever called.

A pickle is a program whose instructions may call any function. Of a checkpoint only tensors and
plain values are of use, and a dozen instructions build those. What else training leaves behind,
such as the bound method inside of a OneCycleLR, becomes an `Inert`; a name that has no business in
a checkpoint refuses the whole file.
"""

import pickletools
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

from mindeye.models.checkpoint.inert_names import Inert, built, is_of_a_checkpoint, modern_name
from mindeye.models.checkpoint.stored_tensor import Storage

# What broken bytes lead to: instructions without operands, operands of other types or sizes.
_DAMAGED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError)


class RefusedPickleError(ValueError):
    """A pickle that is damaged or that would run code."""


def read_pickle(stream: BufferedIOBase, storage_of: Callable[[tuple], Storage], source: str) -> Any:
    """The plain value of one pickle; `stream` then stands behind it.

    Args:
        storage_of: a persistent id -> the bytes it means.
        source: the file's name, for messages.

    Raises:
        RefusedPickleError: damaged, cut off, or naming what would run code.
    """
    machine = _Machine(storage_of, source)
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except RefusedPickleError:
        raise
    except _DAMAGED as error:
        raise RefusedPickleError(
            f"{source} is damaged ({type(error).__name__}: {error}). "
            "Was the download cut off? Fetch it again."
        ) from error


class _Machine:
    """The stack of a pickle."""

    def __init__(self, storage_of: Callable[[tuple], Storage], source: str) -> None:
        self.storage_of = storage_of
        self.source = source
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Interprets one instruction.

        Raises:
            RefusedPickleError: no instruction of a checkpoint.
        """
        if name in _PUSHING_ARGUMENT:
            self.stack.append(argument)
        elif name in _FRESH:
            self.stack.append(_FRESH[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise RefusedPickleError(
                f"{self.source} uses the pickle instruction {name}, which no checkpoint needs. "
                "Where does the file come from?"
            )

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def name(self, module: str, attribute: str) -> None:
        """Pushes a name without importing what it means."""
        module = modern_name(module)
        if not is_of_a_checkpoint(module, attribute):
            raise RefusedPickleError(
                f"{self.source} would run code when loaded in the usual way: it names "
                f"`{module}.{attribute}`, which is no part of a checkpoint. "
                "Nothing of it was run; take the file from its authors."
            )
        self.stack.append(Inert(f"{module}.{attribute}"))

    def call(self, function: Any, arguments: tuple) -> None:
        """What a call would give, for the few calls that build data; else a placeholder."""
        self.stack.append(built(function, arguments))

    def instance(self, name: str) -> None:
        """A class and its arguments since the mark (protocol 0)."""
        arguments = tuple(self.since_mark())
        self.name(*name.split(" ", 1))
        self.call(self.stack.pop(), arguments)

    def fill(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_pairs(items))

    def extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)
        elif isinstance(self.stack[-1], set):
            self.stack[-1].update(items)

    def remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def recall(self, place: int) -> None:
        self.stack.append(self.memo[place])


_CONSTANTS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
)
_PUSHING_ARGUMENT = frozenset(_CONSTANTS.split())
_FRESH: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.last(1),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.last(3))),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "DICT": lambda machine, _: machine.stack.append(_pairs(machine.since_mark())),
    "FROZENSET": lambda machine, _: machine.stack.append(frozenset(machine.since_mark())),
    "SETITEM": lambda machine, _: machine.fill(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.fill(machine.since_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    **dict.fromkeys(
        ("APPENDS", "ADDITEMS"), lambda machine, _: machine.extend(machine.since_mark())
    ),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda machine, n: machine.remember(n)),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, n: machine.recall(n)),
    "GLOBAL": lambda machine, name: machine.name(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "BINPERSID": lambda machine, _: machine.stack.append(machine.storage_of(*machine.last(1))),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda machine, _: machine.call(*machine.last(2))),
    "NEWOBJ_EX": lambda machine, _: machine.call(*machine.last(3)[:2]),
    "INST": lambda machine, name: machine.instance(name),
    "BUILD": lambda machine, _: machine.last(1),
}


def _pairs(items: list[Any]) -> dict:
    return dict(zip(items[::2], items[1::2], strict=True))
