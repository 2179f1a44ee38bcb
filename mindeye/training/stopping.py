"""What a training does when it is told to end: SIGTERM of a cluster or `kill`, Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


class StoppedError(KeyboardInterrupt):
    """A signal has ended a training. Its words are for the user; not an `Exception`, as Ctrl-C."""

    def __init__(self, number: int, told: str) -> None:
        super().__init__(told)
        self.exit_code = 128 + number
        """As shells report a program that a signal has ended."""


class StopRequest:
    """Whether somebody wants the training to end, and by which signal."""

    number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise StoppedError(
                number,
                f"Ended at once by a second {signal.Signals(number).name}. "
                "Run the same command again: it goes on from the last checkpoint.",
            )
        self.number = number

    def error(self, done: int, total: int, number: int) -> StoppedError:
        """What ends the training once `done` steps are kept."""
        return StoppedError(
            number,
            f"Interrupted by {signal.Signals(number).name} after {done} of {total} steps, which "
            "are kept. Run the same command again: it goes on from here.",
        )


@contextmanager
def finishing_the_step() -> Iterator[StopRequest]:
    """The first signal is only noted; a second one ends at once."""
    request = StopRequest()
    with _handled((signal.SIGINT, signal.SIGTERM), request):
        yield request


@contextmanager
def ending_tidily() -> Iterator[None]:
    """SIGTERM leaves a block as Ctrl-C does, so that nothing half-written stays behind."""

    def end(number: int, frame: FrameType | None) -> None:
        raise StoppedError(
            number, "Interrupted by SIGTERM. Run the same command again: it goes on from here."
        )

    with _handled((signal.SIGTERM,), end):
        yield


@contextmanager
def _handled(numbers: tuple[int, ...], handler: Handler) -> Iterator[None]:
    """Only where the system lets one (the main thread), and never for a signal that is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = tuple(one for one in numbers if signal.getsignal(one) is not signal.SIG_IGN)
    before = {one: signal.signal(one, handler) for one in numbers}
    try:
        yield
    finally:
        for one, earlier in before.items():
            # None: of a handler that Python did not install.
            signal.signal(one, signal.SIG_DFL if earlier is None else earlier)
