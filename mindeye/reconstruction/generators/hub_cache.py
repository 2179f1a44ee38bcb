"""Where a generator's weights lie: a folder of the user's, or the hub's cache. Fetches nothing."""

from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from mindeye.reconstruction.generators.catalogue import HubPart, facts_of


def folders_of(name: str, source: Path | None) -> tuple[Path, ...]:
    """The folders of a generator's parts, in the catalogue's order.

    Args:
        source: a folder that holds all parts; None: the hub's cache.

    Raises:
        FileNotFoundError: says what is absent, its licence and size, where it was looked for and
            which command fetches it.
    """
    parts = facts_of(name).parts
    if source is None:
        return tuple(_cached(name, part) for part in parts)
    if not source.is_dir():
        raise FileNotFoundError(
            f"There is no folder {source} for the weights of {name}. Fetch them with "
            f"{_and([f'`{part.command} --local-dir {source}`' for part in parts])}."
        )
    return (source,) * len(parts)


def _cached(name: str, part: HubPart) -> Path:
    kind = "dataset" if part.is_dataset else "model"
    try:
        found = snapshot_download(
            part.repository, repo_type=kind, revision=part.revision, local_files_only=True
        )
    except LocalEntryNotFoundError as error:
        looked = Path(constants.HF_HUB_CACHE) / f"{kind}s--{part.repository.replace('/', '--')}"
        raise FileNotFoundError(
            f"The weights of {name} are not here: {part.repository} on the hub "
            f"({part.gigabytes:g} GB, licence: {part.licence}) was looked for at {looked}. "
            f"Fetch them with `{part.command}`, or give the folder that holds them with "
            "--generator-source."
        ) from error
    return Path(found)


def _and(texts: list[str]) -> str:
    return " and ".join(texts)
