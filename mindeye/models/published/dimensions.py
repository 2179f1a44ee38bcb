"""Dimensions of a network, read off the shapes of its weights."""

import math
import re
from collections import Counter
from collections.abc import Mapping

from torch import Tensor

from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.published.refusals import missing_key
from mindeye.models.published_prior import PublishedPriorConfig

Shape = tuple[int, ...]


class Shapes:
    """The shapes of a checkpoint; several weights are asked for each dimension.

    One misshapen weight must not change what the others are compared with: the majority decides.
    """

    def __init__(self, state: Mapping[str, Tensor], family: str) -> None:
        self.shapes: dict[str, Shape] = {key: tuple(value.shape) for key, value in state.items()}
        self.family = family

    def dimension(self, *witnesses: tuple[str, int] | tuple[str, int, int], usual: int = 0) -> int:
        """The size that most of the witnesses give; of two as frequent ones `usual`, if it is one.

        Args:
            witnesses: (key, axis) or (key, axis, divisor); `*` in a key stands for a number.

        Raises:
            LookupError: none of the keys is there.
        """
        votes: Counter[int] = Counter()
        for pattern, axis, *divisor in witnesses:
            form = re.compile(re.escape(pattern).replace(r"\*", r"\d+"))
            for key, shape in self.shapes.items():
                if form.fullmatch(key) and -len(shape) <= axis < len(shape):
                    votes[shape[axis] // (divisor or [1])[0]] += 1
        if not votes:
            raise missing_key(witnesses[0][0].replace("*", "0"), self.shapes, self.family)
        return max(votes, key=lambda size: (votes[size], size == usual))

    def count(self, prefix: str) -> int:
        """How many numbered modules stand behind a prefix: one more than the highest number."""
        form = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        numbers = [int(found[1]) for key in self.shapes if (found := form.match(key))]
        return max(numbers, default=-1) + 1

    def has(self, prefix: str) -> bool:
        return any(key.startswith(prefix) for key in self.shapes)


def prior_dimensions(
    shapes: Shapes, net: str, buffers: str, scale: float | None
) -> tuple[PublishedPriorConfig, tuple[int, int]]:
    """The prior's configuration and the shape of its tokens; it runs as the published code does."""
    layer = f"{net}.causal_transformer.layers.*"
    is_embedding = shapes.has(f"{net}.null_text_encodings")
    width = shapes.dimension(
        (f"{net}.learned_query", -1),
        (f"{net}.null_image_embed", -1),
        (f"{net}.causal_transformer.norm.g", 0),
        (f"{layer}.0.norm.g", 0),
    )
    num_tokens = 1
    if not is_embedding:
        num_tokens = shapes.dimension(
            (f"{net}.learned_query", 0),
            (f"{net}.null_brain_embeds", 0),
            (f"{net}.null_image_embed", 0),
        )
    times = [(f"{buffers}.{name}", 0) for name in ("betas", "alphas_cumprod", "p2_loss_weight")]
    if is_embedding:
        times.append((f"{net}.to_time_embeds.0.weight", 0))
    head_width = shapes.dimension((f"{layer}.0.null_kv", 1), (f"{layer}.0.to_kv.weight", 0, 2))
    config = PublishedPriorConfig(
        depth=shapes.count(f"{net}.causal_transformer.layers"),
        num_heads=shapes.dimension(
            (f"{net}.causal_transformer.rel_pos_bias.relative_attention_bias.weight", 1),
            (f"{layer}.0.to_q.weight", 0, head_width),
            (f"{layer}.0.to_out.0.weight", 1, head_width),
        ),
        head_width=head_width,
        mlp_ratio=shapes.dimension(
            (f"{layer}.1.5.weight", 1, width), (f"{layer}.1.1.weight", 0, 2 * width)
        ),
        train_times=shapes.dimension(*times) if is_embedding or shapes.has(buffers) else 100,
        scale=scale,
        num_padding=shapes.dimension((f"{net}.null_text_encodings", -2)) if is_embedding else 0,
        coarse_epsilon=True,
    )
    return config, (num_tokens, width)


def low_level_dimensions(
    shapes: Shapes,
    *,
    linear: str,
    norm: str,
    upsampler: str,
    maps: str,
    path: LowLevelPathConfig | None,
) -> tuple[PublishedLowLevelConfig, tuple[int, int, int]]:
    """The low-level network's configuration and the shape of its latents."""
    base = shapes.dimension(
        (f"{norm}.weight", 0), (f"{norm}.bias", 0), (f"{upsampler}.conv_in.weight", 1)
    )
    witnesses = [(f"{linear}.weight", 0, base), (f"{linear}.bias", 0, base)]
    blocks = f"{upsampler}.up_blocks"
    channels = [
        shapes.dimension(
            (f"{blocks}.{block}.resnets.*.norm2.weight", 0),
            (f"{blocks}.{block}.resnets.*.conv2.weight", 0),
        )
        for block in range(shapes.count(blocks))
    ]
    map_width = None
    if shapes.has(maps):
        map_width = shapes.dimension(
            (f"{maps}.1.weight", 0), (f"{maps}.4.weight", 0), (f"{maps}.0.weight", 0)
        )
    layers = max((shapes.count(f"{blocks}.{i}.resnets") for i in range(len(channels))), default=2)
    config = PublishedLowLevelConfig(
        base_channels=base,
        base_side=math.isqrt(shapes.dimension(*witnesses)),
        dropout=0.0 if path else 0.3,
        block_channels=tuple(reversed(channels)),
        layers_per_block=layers - 1,
        map_width=map_width,
        path=path,
    )
    latent_channels = shapes.dimension(
        (f"{upsampler}.conv_out.bias", 0), (f"{upsampler}.conv_out.weight", 0), usual=4
    )
    return config, (latent_channels, config.latent_side, config.latent_side)
