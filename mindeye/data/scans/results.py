"""What the checks of a scan say, and the refusal that carries them."""

from collections.abc import Sequence
from dataclasses import dataclass

CHECKS: tuple[str, ...] = (
    "voxel count",
    "voxel identity",
    "grid",
    "mask values",
    "unusable voxels",
    "units",
    "normalisation",
    "mean map",
    "trials",
    "repeats",
    "header",
    "predictions",
)
"""In the order in which they are reported."""
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check of one scan."""

    name: str
    """One of `CHECKS`."""
    status: str
    """`passed`, `failed` or `skipped`."""
    seen: str
    """What was seen, with values; of a skipped check, why it was."""
    advice: str = ""
    """What to do; empty where nothing has to be done."""

    @property
    def text(self) -> str:
        """Both sentences."""
        return f"{self.seen} {self.advice}".strip()


def passed(name: str, seen: str, advice: str = "") -> CheckResult:
    return CheckResult(name=name, status=PASSED, seen=seen, advice=advice)


def failed(name: str, seen: str, advice: str) -> CheckResult:
    return CheckResult(name=name, status=FAILED, seen=seen, advice=advice)


def skipped(name: str, why: str, advice: str = "") -> CheckResult:
    return CheckResult(name=name, status=SKIPPED, seen=why, advice=advice)


class RefusedScanError(ValueError):
    """A scan that cannot be read for this model.

    The message names the file and the first check that failed; `results` are the checks that were
    made until then.
    """

    def __init__(self, source: str, results: Sequence[CheckResult]) -> None:
        self.results = tuple(results)
        first = next(one for one in self.results if one.status == FAILED)
        named = first.text.startswith(source)
        super().__init__(first.text if named else f"{source}: {first.text}")


def require_passed(source: str, results: Sequence[CheckResult]) -> None:
    """Refuses if any of the checks failed.

    Raises:
        RefusedScanError: one did.
    """
    if any(one.status == FAILED for one in results):
        raise RefusedScanError(source, results)
