"""What a decoder is built from, as it stands in a run folder and on the hub."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mindeye.config import from_mapping, to_mapping
from mindeye.files import read_json, write_json
from mindeye.models.backbone import BackboneConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.prior import PriorConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.token_head import TokenHeadConfig


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Each part is ours or a published one; the kind of its configuration says which."""

    backbone: BackboneConfig | MixerBackboneConfig = field(default_factory=BackboneConfig)
    token_head: TokenHeadConfig | None = None
    """Of fewer weights: of low `rank`, with a code of `code_width` numbers a token, or with a
    `window` of the hidden state a token; one dense layer when left out."""
    contrastive_width: int = 2048
    """Hidden width of the contrastive head."""
    prior: PriorConfig | PublishedPriorConfig = field(default_factory=PriorConfig)
    low_level: LowLevelConfig | PublishedLowLevelConfig | None = field(
        default_factory=LowLevelConfig
    )
    """None: no blurry reconstruction."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All that `Decoder` takes."""

    decoder: DecoderConfig
    num_voxels_of: dict[int, int]
    """Subject -> voxels, in the order of the ridge layers."""
    token_shape: tuple[int, int]
    latent_shape: tuple[int, int, int]


def write_architecture(path: Path, architecture: Architecture) -> None:
    """Writes JSON, whole or not at all."""
    write_json(path, to_mapping(architecture))


def read_architecture(path: Path) -> Architecture:
    """What `write_architecture` has written.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no JSON, or of something else than a decoder.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, which tells what the decoder is made of. Copy the whole folder of "
            "the run again."
        )
    content = read_json(path)
    try:
        return from_mapping(Architecture, _completed(content), str(path))
    except (LookupError, ValueError) as error:
        # That sentence only: its remedies are for configurations that people write.
        told = str(error).split(". ")[0]
        raise ValueError(
            f"{path} describes no decoder of this mindeye ({told}). "
            "Is it of another model, or written by a newer version?"
        ) from error


def _completed(content: Any) -> Any:
    """With `coarse_epsilon`, where it was written before that was a switch: it was always on."""
    try:
        prior = content["decoder"]["prior"]
        is_older = "drop_image" in prior and "coarse_epsilon" not in prior
    except (TypeError, KeyError):  # something else: refused with its reason by who asked
        return content
    if not is_older:
        return content
    return {
        **content,
        "decoder": {**content["decoder"], "prior": {**prior, "coarse_epsilon": True}},
    }
