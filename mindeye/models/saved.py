"""A decoder's architecture on disk, so that a run folder alone rebuilds it."""

from pathlib import Path

import torch

from mindeye.config import from_mapping, to_mapping
from mindeye.files import read_json, write_json
from mindeye.models.decoder import Decoder, DecoderConfig
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
    """Writes what `Decoder` takes."""
    content = {
        "decoder": to_mapping(config),
        "num_voxels_of": {str(subject): count for subject, count in num_voxels_of.items()},
        "token_shape": list(token_shape),
        "latent_shape": list(latent_shape),
    }
    write_json(folder / ARCHITECTURE_FILE, content)


def new_decoder(folder: Path) -> Decoder:
    """An untrained decoder of the saved architecture."""
    path = folder / ARCHITECTURE_FILE
    content = read_json(path)
    return Decoder(
        from_mapping(DecoderConfig, content["decoder"], str(path)),
        num_voxels_of={int(subject): n for subject, n in content["num_voxels_of"].items()},
        token_shape=tuple(content["token_shape"]),
        latent_shape=tuple(content["latent_shape"]),
    )


def load_decoder(folder: Path, device: torch.device | str = "cpu") -> Decoder:
    """The trained decoder of a run folder, in evaluation mode.

    Raises:
        FileNotFoundError: no run there, or its training has not ended.
        ValueError: damaged weights, or weights of another architecture.
    """
    run = RunFolder(path=folder)
    weights = run.weights()
    # Shapes without values: no random start, and no second copy of the weights in memory.
    with torch.device("meta"):
        decoder = new_decoder(folder)
    try:
        decoder.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"{run.weights_path} does not fit {ARCHITECTURE_FILE} beside it "
            f"({str(error).splitlines()[1].strip()}). Were the files of two runs mixed?"
        ) from error
    return decoder.to(device).eval().requires_grad_(False)
