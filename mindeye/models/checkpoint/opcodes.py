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
from mindeye.pickle_machine import PickleMachine

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
    machine = _CheckpointMachine(storage_of, source)
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


class _CheckpointMachine(PickleMachine):
    """A pickle of torch, with tensors outside of it and placeholders for what training leaves."""

    def __init__(self, storage_of: Callable[[tuple], Storage], source: str) -> None:
        super().__init__()
        self.storage_of = storage_of
        self.source = source

    def refuse_instruction(self, name: str) -> None:
        raise RefusedPickleError(
            f"{self.source} uses the pickle instruction {name}, which no checkpoint needs. "
            "Where does the file come from?"
        )

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

    def build(self, state: Any) -> None:
        """A placeholder needs no state."""

    def persistent(self, identity: Any) -> None:
        self.stack.append(self.storage_of(identity))

    # What is put into a placeholder is of no use.
    def fill(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            super().fill(items)

    def extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list | set):
            super().extend(items)
