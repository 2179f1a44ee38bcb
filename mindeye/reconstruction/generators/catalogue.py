"""Facts of every generator: what it takes, where its weights are, under which licence."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class HubPart:
    """Some files of one hub repository."""

    repository: str
    files: tuple[str, ...]
    """Patterns, as `hf download --include` takes them."""
    gigabytes: float
    licence: str


@dataclass(frozen=True, kw_only=True)
class GeneratorFacts:
    """What a user must know of a generator before its weights are there."""

    about: str
    token_shape: tuple[int, int] | None
    """(tokens, width); None: as its weights say."""
    clip: str
    """The target network whose tokens it takes."""
    form: str
    """Of these tokens: a key of `mindeye.targets.clip.FORMS`."""
    side: int | None
    """Of its pictures in pixels; None: as its weights say."""
    parts: tuple[HubPart, ...] = ()
    """None are needed by what comes with the package."""


CATALOGUE: Mapping[str, GeneratorFacts] = MappingProxyType(
    {
        "scenes": GeneratorFacts(
            about="offline: drawn scenes, small, comes with the package",
            token_shape=None,
            clip="scenes-clip, in the package",
            form="projected",
            side=None,
        ),
    }
)


def facts_of(name: str) -> GeneratorFacts:
    """The facts of one generator.

    Raises:
        LookupError: an unknown name.
    """
    if name not in CATALOGUE:
        raise LookupError(f"Unknown generator `{name}`. Choose one of {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]
