"""Fetches a teacher of maps when asked to, and writes the folder that `load_maps` opens."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import timm
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from mindeye.config import to_mapping
from mindeye.files import atomic_folder, write_json
from mindeye.models.checkpoint.saved_by_torch import read_saved
from mindeye.models.checkpoint.weights import CheckpointWeights, state_of
from mindeye.targets.feature_maps import CONFIG_FILE, WEIGHTS_FILE, load_maps, save_maps
from mindeye.targets.published_teachers import PUBLISHED_TEACHERS, PublishedTeacher
from mindeye.targets.timm_maps import TimmMapConfig
from mindeye.targets.vicregl import convert_vicregl

CHECKPOINT = "convnext_xlarge_alpha0.75_fullckpt.pth"


def fetch_teacher(
    name: str, out: Path, files: Path | None = None, side: int | None = None, layer: int = -1
) -> str:
    """Makes OUT/NAME and returns its identity and the shape of its maps.

    Args:
        files: a folder where the published file already lies; None downloads it.
        side: of the pictures, in pixels; None: the one that gives 16 x 16 places.
        layer: whose output the maps are; of timm's networks only.

    Raises:
        LookupError: an unknown name.
        FileNotFoundError: `files` lacks the file.
        ValueError: OUT/NAME exists; a side or a layer that the network does not have.
        ConnectionError: the file could not be downloaded.
    """
    if name not in PUBLISHED_TEACHERS:
        raise LookupError(
            f"Unknown teacher `{name}`. Choose one of {', '.join(PUBLISHED_TEACHERS)}."
        )
    about, place = PUBLISHED_TEACHERS[name], out / name
    if place.exists():
        raise ValueError(f"{place} exists. Remove it to make it again.")
    if about.timm is None and layer != -1:
        raise ValueError(f"{name} has maps of one layer only. Leave --layer out.")
    with atomic_folder(place) as folder, TemporaryDirectory(dir=out) as temporary:
        published = _published(about, files, Path(temporary))
        if about.timm is None:
            _convert(published, side or about.side, folder)
        else:
            _with_config(about, published, side or about.side, layer, folder)
        places, width = load_maps(folder).map_shape
    return f"{load_maps(place).identity}, {places} places of {width} features"


def lines_of_teachers() -> list[str]:
    """Names, addresses, sizes and terms."""
    return [
        f"{name}: {one.hub}, {one.megabytes:,} MB [{one.terms}]; 256 places of {one.map_width} "
        f"features at {one.side} px"
        for name, one in PUBLISHED_TEACHERS.items()
    ]


def _published(about: PublishedTeacher, files: Path | None, temporary: Path) -> Path:
    name = CHECKPOINT if about.timm is None else WEIGHTS_FILE
    if files is not None:
        if not (files / name).is_file():
            raise FileNotFoundError(f"{files / name} is missing. Fetch it from {about.hub}.")
        return files / name
    kind = "dataset" if about.timm is None else "model"
    try:
        return Path(hf_hub_download(about.hub, name, repo_type=kind, local_dir=temporary))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ConnectionError(
            f"{name} of {about.hub} could not be fetched ({error}). Fetch it elsewhere, and give "
            "the folder that holds it with --files."
        ) from error


def _convert(checkpoint: Path, side: int, folder: Path) -> None:
    content = read_saved(checkpoint)
    nested = isinstance(content, dict) and "model" in content
    state = state_of(content["model"] if nested else content, checkpoint)
    save_maps(convert_vicregl(CheckpointWeights(state), side), folder)


def _with_config(
    about: PublishedTeacher, weights: Path, side: int, layer: int, folder: Path
) -> None:
    pixels = timm.get_pretrained_cfg(about.timm)
    config = TimmMapConfig(
        timm=about.timm, side=side, layer=layer, mean=tuple(pixels.mean), std=tuple(pixels.std)
    )
    shutil.copyfile(weights, folder / WEIGHTS_FILE)
    write_json(folder / CONFIG_FILE, to_mapping(config))
