"""Which training steps are compared, and at which sizes."""

from dataclasses import dataclass, field
from types import MappingProxyType

from mindeye.models.architecture import DecoderConfig
from mindeye.models.backbone import BackboneConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.token_head import TokenCodeHeadConfig
from mindeye.training.compute import ComputeConfig
from mindeye.verbs.benchmarks.plain_step import PlainWays


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of decoder and CLIP."""

    voxels: int = 15_724
    width: int = 4096
    num_blocks: int = 4
    token_width: int = 768
    contrastive_width: int = 2048
    prior_depth: int = 6
    clip_layers: int = 24
    clip_width: int = 1024
    side: int = 224
    code_width: int = 128

    @property
    def num_tokens(self) -> int:
        return (self.side // 14) ** 2 + 1

    def decoder(self, *, is_compact: bool = False) -> DecoderConfig:
        """MindEye1's, subject 1, without low-level network."""
        return DecoderConfig(
            backbone=BackboneConfig(width=self.width, num_blocks=self.num_blocks),
            contrastive_width=self.contrastive_width,
            prior=PublishedPriorConfig(depth=self.prior_depth, num_heads=self.token_width // 64),
            token_head=TokenCodeHeadConfig(code_width=self.code_width) if is_compact else None,
            low_level=None,
        )


SMALL = {"voxels": 2000, "width": 512, "num_blocks": 2, "token_width": 192}
SIZES = MappingProxyType(
    {
        "full": Size(),
        "small": Size(
            **SMALL,
            contrastive_width=512,
            prior_depth=2,
            clip_layers=4,
            clip_width=256,
            side=112,
            code_width=32,
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to compute a step."""

    what: str
    is_ours: bool = False
    is_cached: bool = True
    is_fused: bool = False
    ways: PlainWays = field(default_factory=PlainWays)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    is_compact: bool = False
    same_numbers: bool = True
    """Whether its losses must be those of the plain step."""


def _ours(what: str, *, is_compact: bool = False, exact: bool = True, **options) -> Variant:
    return Variant(
        what=what,
        is_ours=True,
        compute=ComputeConfig(**options),
        is_compact=is_compact,
        same_numbers=exact and not is_compact,
    )


_HALF, _ALL = {"precision": "bfloat16"}, {"free_gradients": True, "recompute_blocks": True}
VARIANTS = MappingProxyType(
    {
        "plain": Variant(what="as published, in float32", is_cached=False),
        "cached": Variant(what="plain, CLIP's tokens from a cache"),
        "fused": Variant(what="plain, AdamW fused", is_cached=False, is_fused=True),
        "attention": Variant(
            what="plain, fused attention with bias",
            is_cached=False,
            ways=PlainWays(fused_attention=True),
        ),
        "matrix": Variant(
            what="plain, losses and monitors from one matrix",
            is_cached=False,
            ways=PlainWays(one_matrix=True),
        ),
        "ours": _ours("ours: all of these, the same numbers"),
        "ours-bfloat16": _ours("ours, products in bfloat16", exact=False, **_HALF),
        "compact": _ours("ours, compact token head", is_compact=True),
        "compact-bfloat16": _ours("ours, compact, bfloat16", is_compact=True, **_HALF),
        "half-moments": _ours(
            "ours, AdamW's moments in bfloat16", exact=False, optimizer_state="bfloat16"
        ),
        "int8-moments": _ours("ours, AdamW's moments in int8", exact=False, optimizer_state="int8"),
        "freed": _ours("ours, gradients freed in the backward pass", free_gradients=True),
        "recomputed": _ours("ours, blocks recomputed", recompute_blocks=True),
        "least-memory": _ours(
            "ours, moments in bfloat16, gradients freed, blocks recomputed",
            exact=False,
            optimizer_state="bfloat16",
            **_ALL,
        ),
    }
)
