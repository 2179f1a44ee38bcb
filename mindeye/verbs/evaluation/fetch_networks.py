"""Fetches a judging network when asked to, and converts it once to safetensors."""

import urllib.error
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import snapshot_download
from torch import Tensor
from torch.hub import download_url_to_file

from mindeye.files import atomic_folder, sha256_of
from mindeye.models.checkpoint.file import open_checkpoint
from mindeye.targets.metric_networks.contrastive import CONFIG_FILE, WEIGHTS_FILE
from mindeye.targets.metric_networks.folder import open_networks, save_network
from mindeye.targets.metric_networks.lpips import BACKBONES, lpips_weights
from mindeye.targets.metric_networks.published_files import PUBLISHED_NETWORKS, PublishedFile


def fetch_network(name: str, out: Path, files: Path | None = None) -> str:
    """Makes OUT/NAME and returns its identity.

    Args:
        files: a folder where the published files already lie; None downloads them.

    Raises:
        LookupError: an unknown name.
        FileNotFoundError: `files` lacks one of them.
        ValueError: a file of another hash, or one that is no such network; OUT/NAME exists.
        ConnectionError: a file could not be downloaded.
    """
    if name not in PUBLISHED_NETWORKS:
        raise LookupError(
            f"Unknown network `{name}`. Choose one of {', '.join(PUBLISHED_NETWORKS)}."
        )
    if (out / name).exists():
        raise ValueError(f"{out / name} exists. Remove it to make it again.")
    if PUBLISHED_NETWORKS[name].hub is not None:
        _from_hub(name, out, files)
    else:
        with TemporaryDirectory() as temporary:
            published = PUBLISHED_NETWORKS[name].files
            paths = [_fetched(one, files, Path(temporary)) for one in published]
            origin = {one.url: sha256_of(path) for one, path in zip(published, paths, strict=True)}
            save_network(name, _weights(name, paths), origin, out)
    return open_networks(out, names=[name]).networks[name].identity


def _weights(name: str, paths: list[Path]) -> Mapping[str, Tensor]:
    states = [open_checkpoint(path).weights for path in paths]
    return lpips_weights(*states) if name in BACKBONES else states[0]


def _fetched(one: PublishedFile, files: Path | None, temporary: Path) -> Path:
    if files is None:
        path = temporary / one.name
        try:
            download_url_to_file(one.url, str(path), progress=False)
        except urllib.error.URLError as error:
            raise ConnectionError(
                f"{one.url} could not be fetched ({error}). Fetch it elsewhere, and give the "
                "folder that holds it with --files."
            ) from error
    else:
        path = files / one.name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Fetch it from {one.url}.")
    found = sha256_of(path)
    if one.sha256 is not None and not found.startswith(one.sha256):
        raise ValueError(
            f"{one.name} has the SHA-256 {found[:16]}, but {one.sha256[:16]} is published. "
            "Is it whole, and from there?"
        )
    return path


def _from_hub(name: str, out: Path, files: Path | None) -> None:
    repository = PUBLISHED_NETWORKS[name].hub
    wanted = [CONFIG_FILE, WEIGHTS_FILE]
    if files is not None:
        raise ValueError(
            f"{name} is not converted. Put {' and '.join(wanted)} of the hub's {repository} "
            f"into {out / name}."
        )
    with atomic_folder(out / name) as temporary, TemporaryDirectory(dir=out) as fetched:
        snapshot_download(repository, local_dir=fetched, allow_patterns=wanted)
        for one in wanted:
            (Path(fetched) / one).rename(temporary / one)
