"""Whether a generator takes the tokens that a run decodes; asked before weights are read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mindeye.files import read_json
from mindeye.reconstruction.generators.catalogue import CATALOGUE, GeneratorFacts, facts_of

RANDOM_MARK = "RANDOM.json"
"""Beside networks whose weights are random numbers, for tests and for measuring time: says so, and
which tokens they take."""


def random_mark(folder: Path | None) -> Mapping | None:
    """What RANDOM.json says of the generator in a folder; None where its weights are real."""
    if folder is None or not (folder / RANDOM_MARK).is_file():
        return None
    return read_json(folder / RANDOM_MARK)


def marked_name(name: str, folder: Path) -> str:
    """A generator's name as its identity begins, which says where weights are random."""
    return f"{name}-random" if random_mark(folder) else name


def token_shape_of(facts: GeneratorFacts, folder: Path | None) -> tuple[int, int] | None:
    """(tokens, width) that a generator takes; None: as its weights say."""
    mark = random_mark(folder)
    return facts.token_shape if mark is None else tuple(mark["token_shape"])


def require_takes(
    name: str, source: Path | None, *, token_shape: tuple[int, int], form: str, clip: str
) -> None:
    """Refuses a generator of other tokens than a run decodes.

    Args:
        source: see `open_generator`.
        form: of the run's tokens, a key of `mindeye.targets.clip.FORMS`.
        clip: identity of the run's target network.

    Raises:
        LookupError: an unknown generator.
        ValueError: names both shapes and forms.
    """
    facts = facts_of(name)
    taken = token_shape_of(facts, source)
    if form == facts.form and taken in (None, token_shape):
        return
    others = [
        other
        for other, one in CATALOGUE.items()
        if one.form == form and one.token_shape == token_shape
    ]
    advice = f"Draw with --generator {others[0]}" if others else "Choose another generator"
    raise ValueError(
        f"This run decodes {product(token_shape)} tokens ({form}) of {clip}; {name} takes "
        f"{'those' if taken is None else product(taken)} ({facts.form}) of {facts.clip}. "
        f"{advice}, or train on the tokens of this one."
    )


def require_tokens(name: str, taken: Sequence[int], found: Sequence[int]) -> None:
    """Refuses tokens of another shape than a generator's.

    Raises:
        ValueError: names both.
    """
    if tuple(taken) != tuple(found):
        raise ValueError(
            f"These tokens are {product(found)}, but {name} takes {product(taken)}. "
            "Decode with the CLIP that this generator was made for."
        )


def require_width(name: str, taken: int, folder: Path, found: int) -> None:
    """Refuses a UNet that reads tokens of another width than its generator takes.

    Args:
        folder: of the UNet, to be named.
        found: the width that the UNet reads.

    Raises:
        ValueError: names both.
    """
    if taken != found:
        raise ValueError(
            f"{folder} reads tokens of width {found}, but {name} takes {taken}. "
            "Is this the folder of another generator?"
        )


def product(shape: Sequence[int]) -> str:
    """257 x 768."""
    return " x ".join(str(size) for size in shape)
