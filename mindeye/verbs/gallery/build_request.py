"""What `mindeye gallery build` is asked for, and the refusal of what makes no sense."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mindeye.retrieval.gallery.sources.filters import GalleryFilters
from mindeye.retrieval.gallery.sources.sources import GallerySource, open_source
from mindeye.retrieval.gallery.sources.take_vectors import TakingConfig
from mindeye.retrieval.gallery.sources.vector_files import open_vectors
from mindeye.targets.clip import ClipTarget, load_clip
from mindeye.verbs.gallery.build_options import OF_PICTURES, OF_VECTORS
from mindeye.verbs.gallery.embed_pictures import EmbeddingConfig

LAION_NETWORK = "openai-ViT-L-14"
"""Whose embeddings LAION's are."""
MAX_SKIPPED = 0.1


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What is to be built."""

    source: GallerySource
    out: Path
    clip: Path | None = None
    told_network: str | None = None
    """Of vectors that others made."""
    filters: GalleryFilters = field(default_factory=GalleryFilters)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    taking: TakingConfig = field(default_factory=TakingConfig)
    max_skipped: float = MAX_SKIPPED
    device: str = "cpu"
    shard_index: int = 0
    num_shards: int = 1

    @cached_property
    def target(self) -> ClipTarget | None:
        """The CLIP that embeds the pictures, or that embedded them."""
        if self.clip is None and not self.source.has_pictures:
            return None
        form = "projected" if self.embedding.tokens else "embedding"
        return load_clip(self.clip, self.device, form=form)

    @property
    def network(self) -> str:
        """Identity of the network, whichever form of its tokens was computed."""
        if self.target is not None:
            return self.target.identity.removesuffix("+embedding")
        return self.told_network or LAION_NETWORK

    @property
    def width(self) -> int:
        """Numbers of a vector.

        Raises:
            ValueError: the vectors of the source are not those of the CLIP that was named.
        """
        embedded = self.target.token_shape[1] if self.target is not None else None
        if self.source.has_pictures:
            return embedded
        first = self.source.root / self.source.shards[0].files[0]
        width = open_vectors(first).shape[1]
        if embedded not in (None, width):
            raise ValueError(
                f"{first} has vectors of {width} numbers, {self.clip} makes {embedded}. "
                "Name the CLIP that made them."
            )
        return width

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on beside source and network."""
        filters = {"filters": asdict(self.filters)}
        if self.source.has_pictures:
            chosen = {name: getattr(self.embedding, name) for name in ("tokens", "max_pixels")}
            return {**filters, **chosen}
        return {**filters, **asdict(self.taking)}


def request_of(given: Mapping[str, Any]) -> BuildRequest:
    """From options of the command line; None and False stand for what was not given.

    Raises:
        ValueError: an option that would be ignored, or a value out of range.
        FileNotFoundError, LookupError: see `open_source`.
    """
    source = open_source(given["source"], given["form"])
    _require_meaning(source, given)
    _require_share(given)
    licences = given["licence"]
    told = {**given, "licences": licences and tuple(licences.split(","))}
    return BuildRequest(
        source=source,
        out=given["out"],
        clip=given["clip"],
        told_network=given["network"],
        filters=_config(GalleryFilters, told),
        embedding=_config(EmbeddingConfig, told),
        taking=_config(TakingConfig, told),
        max_skipped=MAX_SKIPPED if given["max_skipped"] is None else given["max_skipped"],
        device=given["device"],
        shard_index=given["shard_index"] or 0,
        num_shards=given["num_shards"] or 1,
    )


def _config(kind: type, given: Mapping[str, Any]):
    names = kind.__dataclass_fields__
    return kind(**{name: given[name] for name in names if given.get(name) is not None})


def _require_meaning(source: GallerySource, given: Mapping[str, Any]) -> None:
    """Refuses options that would be ignored."""
    ignored = OF_VECTORS if source.has_pictures else OF_PICTURES
    told = [f"--{name.replace('_', '-')}" for name in ignored if given[name] not in (None, False)]
    if told:
        raise ValueError(
            f"{source.root} has the form `{source.form}`, for which {' and '.join(told)} would "
            "change nothing. Leave that out."
        )
    if given["network"] and given["clip"]:
        raise ValueError("--clip tells the network already. Leave --network out.")


def _require_share(given: Mapping[str, Any]) -> None:
    index, number = given["shard_index"], given["num_shards"]
    if (index is None) != (number is None):
        raise ValueError("Give --shard-index and --num-shards together, or neither.")
    if number is not None and not 0 <= index < number:
        raise ValueError(
            f"--shard-index {index} of --num-shards {number} is no part. "
            f"Choose from 0 to {number - 1}."
        )
    share = given["max_skipped"]
    if share is not None and not 0 <= share <= 1:
        raise ValueError(f"--max-skipped {share} is no share. Choose from 0 to 1.")
