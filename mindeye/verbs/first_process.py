"""Of several processes of one command, the first one speaks."""

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

# A launcher ends all processes as soon as one fails: the first one needs time for its message.
LAST_WORDS_S = 3.0


def is_first() -> bool:
    """Whether a launcher has started this process as its first one, or none has."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def first_speaks() -> Iterator[None]:
    """Keeps all other processes quiet; those that fail end after the first one."""
    if is_first():
        yield
        return
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    except SystemExit as end:
        if end.code:
            time.sleep(LAST_WORDS_S)
        raise


def stream_for(error: BaseException):
    """Where to tell an error; the process that alone knows it tells it whichever it is."""
    return sys.__stderr__ if getattr(error, "is_told_here", False) else sys.stderr
