"""Token heads against each other: what they hold and cost, and how well they decode."""

from dataclasses import replace

from mindeye.models.token_head import (
    LowRankHeadConfig,
    TokenCodeHeadConfig,
    TokenHeadConfig,
    WindowHeadConfig,
    num_weights,
)
from mindeye.targets.clip import load_clip
from mindeye.training.experiment import ExperimentConfig

HeadConfig = TokenHeadConfig | None

# At full size; the name of each is that of its column and folder.
DENSE = "dense"
HEADS: dict[str, HeadConfig] = {
    DENSE: None,
    "rank 512": LowRankHeadConfig(rank=512),
    "code 128": TokenCodeHeadConfig(code_width=128),
    "window 680": WindowHeadConfig(window=680),
}
WIDTH = 4096
MINDEYE1_TOKENS, MINDEYE2_TOKENS = (257, 768), (256, 1664)


def recipes_of(plain: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """The recipe once with each head, as small against its dense layer as at full size."""
    shape = (plain.decoder.backbone.width, *load_clip(plain.clip).token_shape)
    return {
        name: replace(plain, decoder=replace(plain.decoder, token_head=scaled_head(head, shape)))
        for name, head in HEADS.items()
    }


def scaled_head(head: HeadConfig, shape: tuple[int, int, int]) -> HeadConfig:
    """The head for a narrower decoder that holds the same share of its dense layer's weights.

    Args:
        head: for 4096 -> 257 x 768.
        shape: width, tokens and token width of the narrower one.
    """
    if head is None:
        return None
    full = (WIDTH, *MINDEYE1_TOKENS)
    share = num_weights(head, *full) / num_weights(None, *full)
    ((key, _),) = vars(head).items()
    one = num_weights(replace(head, **{key: 1}), *shape)
    return replace(head, **{key: max(1, round(share * num_weights(None, *shape) / one))})
