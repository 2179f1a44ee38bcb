"""A decoder's architecture on disk, so that a run folder alone rebuilds it."""

from functools import partial
from pathlib import Path

import torch

from mindeye.models.architecture import (
    Architecture,
    DecoderConfig,
    read_architecture,
    write_architecture,
)
from mindeye.models.decoder import Decoder
from mindeye.models.meta_device import filled
from mindeye.run import RunFolder

ARCHITECTURE_FILE = "architecture.json"


def save_architecture(
    folder: Path,
    config: DecoderConfig,
    *,
    num_voxels_of: dict[int, int],
    token_shape: tuple[int, int],
    latent_shape: tuple[int, int, int],
) -> None:
    """Writes what `Decoder` takes; a decoder that is there already knows it as `architecture`."""
    architecture = Architecture(
        decoder=config,
        num_voxels_of=num_voxels_of,
        token_shape=token_shape,
        latent_shape=latent_shape,
    )
    write_architecture(folder / ARCHITECTURE_FILE, architecture)


def new_decoder(folder: Path) -> Decoder:
    """An untrained decoder of the saved architecture."""
    return Decoder.of(read_architecture(folder / ARCHITECTURE_FILE))


def load_decoder(folder: Path, device: torch.device | str = "cpu") -> Decoder:
    """The trained decoder of a run folder, in evaluation mode.

    Raises:
        FileNotFoundError: no run there, or its training has not ended.
        ValueError: damaged weights, or weights of another architecture.
    """
    run = RunFolder(path=folder)
    weights, description = run.weights(), folder / ARCHITECTURE_FILE
    decoder = filled(partial(new_decoder, folder), weights, run.weights_path, description)
    decoder.source = run.weights_path
    return decoder.to(device)
