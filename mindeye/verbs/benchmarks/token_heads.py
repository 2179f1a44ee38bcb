"""Token heads against each other: what they hold and cost, and how well they decode."""

from dataclasses import replace
from pathlib import Path

from mindeye.models.token_head import (
    LowRankHeadConfig,
    TokenCodeHeadConfig,
    TokenHeadConfig,
    WindowHeadConfig,
    num_weights,
)
from mindeye.targets.clip import load_clip
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.training.compact import compact_run, tuning_of

HeadConfig = TokenHeadConfig | None

# At full size; the name of each is that of its column and folder.
DENSE = "dense"
# Not trained from the beginning: the dense run, compacted and tuned.
COMPACTED = "rank 600 of dense"
HEADS: dict[str, HeadConfig] = {
    DENSE: None,
    "rank 512": LowRankHeadConfig(rank=512),
    "code 128": TokenCodeHeadConfig(code_width=128),
    "window 680": WindowHeadConfig(window=680),
    COMPACTED: LowRankHeadConfig(rank=600),
}
WIDTH = 4096
MINDEYE1_TOKENS, MINDEYE2_TOKENS = (257, 768), (256, 1664)


def recipes_of(plain: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """The recipe once with each head, as small against its dense layer as at full size."""
    shape = (plain.decoder.backbone.width, *load_clip(plain.clip).token_shape)
    scaled = {name: scaled_head(head, shape) for name, head in HEADS.items()}
    return {
        name: replace(plain, decoder=replace(plain.decoder, token_head=head))
        for name, head in scaled.items()
        if name != COMPACTED
    } | {COMPACTED: tuning_of(plain, scaled[COMPACTED].rank, start=None)}


def compacted_start(place: Path, rank: int) -> Path:
    """The subject's dense run with a head of this rank, made where it is not there yet."""
    out = place / COMPACTED / "compacted"
    if not out.exists():
        compact_run(place / DENSE / "run", out, rank)
    return out


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
