"""One line of what the doctor found."""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

OK, MISSING, WRONG = "ok", "missing", "wrong"
BUCKET = "s3://natural-scenes-dataset"


class Check(NamedTuple):
    """What was looked at, what was seen, what was expected."""

    name: str
    state: str
    """`ok`, `missing` or `wrong`."""
    seen: str
    expected: str = ""
    subject: int | None = None
    required: bool = False
    """Of what is missing: whether nothing can be prepared without it."""
    paths: tuple[Path, ...] = ()
    """Of what is missing: its files, relative to the root."""

    @property
    def stops(self) -> bool:
        """Whether a user must mend it."""
        return self.state == WRONG or (self.state == MISSING and self.required)


def compared(
    name: str, seen: object, expected: object, good: bool, subject: int | None = None
) -> Check:
    """A check that is ok or wrong."""
    return Check(name, OK if good else WRONG, str(seen), str(expected), subject)


def equal(name: str, seen: object, expected: object, subject: int | None = None) -> Check:
    """A check of one value against another."""
    return compared(name, seen, expected, seen == expected, subject)


def absent(
    name: str, paths: Iterable[Path], subject: int | None = None, required: bool = False
) -> Check:
    """Files that are not there."""
    found = tuple(paths)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return Check(
        name, MISSING, "not there", f"{found[0].as_posix()}{more}", subject, required, found
    )


def guarded(name: str, look: Callable[[], list[Check]], subject: int | None = None) -> list[Check]:
    """What `look` finds; a file that it cannot read is itself what was found."""
    try:
        return look()
    except (ValueError, LookupError, OSError, FloatingPointError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        return [Check(name, WRONG, " ".join(str(message).split()), "a whole file", subject)]


def fetch_line(root: Path, path: Path) -> str:
    """The command that fetches one file; NSD's terms must have been accepted before."""
    source, target = f"{BUCKET}/{path.as_posix()}", shlex.quote(str(root / path))
    return f"aws s3 cp --no-sign-request {source} {target}"
