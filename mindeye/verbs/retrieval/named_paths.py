"""`NAME=PATH` on the command line of the retrieval benchmark, and which CLIP is whose run's."""

from collections.abc import Sequence
from pathlib import Path

from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.run_networks import is_unnamed
from mindeye.run import RunFolder


def named_path(text: str) -> tuple[str | None, Path]:
    """`NAME=PATH` -> both; a path that exists may hold an equals sign itself."""
    name, equals, rest = text.partition("=")
    if not equals or Path(text).exists():
        return None, Path(text)
    return name, Path(rest)


def given_to_runs(
    runs: Sequence[tuple[str, Path]], clips: Sequence[str]
) -> dict[tuple[str, Path], GivenNetworks]:
    """(Name, run) -> its CLIP: that of its name, else the one without a name.

    Args:
        clips: `[NAME=]FOLDER`; for converted runs alone, others name their own.

    Raises:
        FileNotFoundError: one of the runs is none.
        LookupError: a CLIP under a name that no converted run has.
        ValueError: two CLIPs under one name, or no use for the one without.
    """
    given = dict.fromkeys(runs, NONE_GIVEN)
    if not clips:
        return given
    converted = [one for one in runs if is_unnamed(RunFolder(path=one[1]).provenance())]
    folder_of: dict[str | None, Path] = {}
    for name, folder in map(named_path, clips):
        if name in folder_of:
            whose = "without a name" if name is None else f"for the runs named `{name}`"
            raise ValueError(
                f"{folder_of[name]} and {folder} are two CLIPs {whose}. Give one, or name them "
                "after the runs, as in `NAME=FOLDER`."
            )
        folder_of[name] = folder
    names = {name: name if name in folder_of else None for name, _ in converted}
    unused = [name for name in folder_of if name not in names.values()]
    if unused:
        whose = ", ".join(f"`{name}`" for name in names) or "none of these runs"
        raise LookupError(
            f"{folder_of[unused[0]]} is the CLIP of no run here: converted, and without a CLIP of "
            f"their own, are {whose}. Leave it out of --clip, or name it after one of them."
        )
    for name, path in converted:
        given[name, path] = GivenNetworks(clip=folder_of.get(names[name]))
    return given
