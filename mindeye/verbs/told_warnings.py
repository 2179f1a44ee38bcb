"""What the library logs, told as the verbs tell their errors: a sentence without a prefix."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


def warn(text: str) -> None:
    """Through tqdm, so that it stands on a line of its own, not behind a bar."""
    tqdm.write(f"mindeye: {text}", sys.stderr)


@contextmanager
def telling_warnings() -> Iterator[None]:
    """Of the library alone; libraries that it uses keep their ways."""
    log, teller = logging.getLogger("mindeye"), _Teller(logging.WARNING)
    propagated = log.propagate
    log.addHandler(teller)
    # Whatever another library made of the root would say it again, with a prefix.
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(teller)
        log.propagate = propagated


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())
