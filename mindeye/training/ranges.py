"""Which values a configuration may take: refused under the key by which YAML knows them."""

from typing import Any

from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.seeds import LARGEST_SEED

# Fields of the decoder's parts, ours and published, that must be 1 or more, or a share.
COUNTS = (
    *("width", "depth", "num_heads", "head_width", "mlp_ratio", "train_times"),
    *("base_channels", "base_side", "layers_per_block", "rank", "code_width", "window"),
)
PARTS = ("backbone", "token_head", "prior", "low_level")
SHARES = ("input_dropout", "block_dropout", "drop_condition", "drop_image", "dropout")


def require_ranges(decoder: DecoderConfig) -> None:
    """Refuses a decoder that cannot be built.

    Raises:
        ValueError: names the first key whose value is out of its range.
    """
    require_count("decoder.contrastive_width", decoder.contrastive_width)
    parts = {name: getattr(decoder, name) for name in PARTS}
    parts["low_level.path"] = getattr(decoder.low_level, "path", None)
    for part, config in parts.items():
        for name, value in ({} if config is None else vars(config)).items():
            if name in COUNTS:
                require_count(f"decoder.{part}.{name}", value)
            if name in SHARES:
                require_share(f"decoder.{part}.{name}", value)
            if name == "num_blocks":
                require(value >= 0, f"decoder.{part}.{name}", value, "0 or more")
    if isinstance(decoder.prior, PublishedPriorConfig):
        _require_published_prior(decoder.prior)
    if isinstance(decoder.low_level, PublishedLowLevelConfig):
        _require_published_low_level(decoder.low_level)


def _require_published_prior(prior: PublishedPriorConfig) -> None:
    # Pairs of features are turned by their position.
    even = prior.head_width % 2 == 0
    require(even, "decoder.prior.head_width", prior.head_width, "an even number")
    positive = prior.scale is None or prior.scale > 0
    require(positive, "decoder.prior.scale", prior.scale, "more than 0, or null")
    require(prior.num_padding >= 0, "decoder.prior.num_padding", prior.num_padding, "0 or more")


def _require_published_low_level(low_level: PublishedLowLevelConfig) -> None:
    channels, width = low_level.block_channels, low_level.map_width
    allowed = bool(channels) and all(one >= 1 for one in channels)
    require(
        allowed, "decoder.low_level.block_channels", list(channels), "one or more, none below 1"
    )
    require(width is None or width >= 1, "decoder.low_level.map_width", width, "1 or more, or null")


def require_count(key: str, value: float) -> None:
    require(value >= 1, key, value, "1 or more")


def require_seed(key: str, value: int) -> None:
    require(0 <= value <= LARGEST_SEED, key, value, f"from 0 to {LARGEST_SEED}")


def require_share(key: str, value: float) -> None:
    require(0 <= value <= 1, key, value, "from 0 to 1")


def require(allowed: bool, key: str, value: Any, wanted: str) -> None:
    """Refuses a value under its key."""
    if not allowed:
        raise ValueError(f"`{key}` is {value}. Choose {wanted}.")
