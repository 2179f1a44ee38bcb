"""The stack of a pickle, interpreted as data: nothing that it names is imported or called.

A pickle is a program whose instructions may call any function. Those that build plain values are
interpreted here; what names and calls mean, and what is refused, the readers say.
"""

from collections.abc import Callable
from typing import Any


class PickleMachine:
    """Interprets the instructions that `pickletools.genops` gives, one after the other."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Interprets one instruction."""
        if name in _PUSHING_ARGUMENT:
            self.stack.append(argument)
        elif name in _FRESH:
            self.stack.append(_FRESH[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            self.refuse_instruction(name)

    def refuse_instruction(self, name: str) -> None:
        """Raises the reader's own error: data do not need this instruction."""
        raise NotImplementedError

    def name(self, module: str, attribute: str) -> None:
        """Pushes what stands for a name, or refuses it."""
        raise NotImplementedError

    def call(self, function: Any, arguments: tuple) -> None:
        """Pushes what a call would give, for the few calls that build data, or refuses it."""
        raise NotImplementedError

    def build(self, state: Any) -> None:
        """Fills what lies on the stack, or refuses it."""
        raise NotImplementedError

    def persistent(self, identity: Any) -> None:
        """Pushes what lies outside of the pickle."""
        self.refuse_instruction("BINPERSID")

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("it takes more than it has")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def instance(self, name: str) -> None:
        """A class and its arguments since the mark (protocol 0)."""
        arguments = tuple(self.since_mark())
        self.name(*name.split(" ", 1))
        self.call(self.stack.pop(), arguments)

    def fill(self, items: list[Any]) -> None:
        self.stack[-1].update(_pairs(items))

    def extend(self, items: list[Any]) -> None:
        container = self.stack[-1]
        (container.update if isinstance(container, set) else container.extend)(items)

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
_STEPS: dict[str, Callable[[PickleMachine, Any], Any]] = {
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
    "BINPERSID": lambda machine, _: machine.persistent(*machine.last(1)),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda machine, _: machine.call(*machine.last(2))),
    "NEWOBJ_EX": lambda machine, _: machine.call(*machine.last(3)[:2]),
    "INST": lambda machine, name: machine.instance(name),
    "BUILD": lambda machine, _: machine.build(*machine.last(1)),
}


def _pairs(items: list[Any]) -> dict:
    return dict(zip(items[::2], items[1::2], strict=True))
