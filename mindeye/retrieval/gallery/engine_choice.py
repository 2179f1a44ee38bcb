"""Names an engine and where it is; imports nothing that is slow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENGINES = ("faiss", "milvus")


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """An engine, and for one past this machine where it is."""

    engine: str = "faiss"
    """`faiss`: the gallery's index, or exact search; `milvus`: see `MilvusConfig`."""
    uri: str = ""
    token: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of `MilvusConfig`."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise LookupError(
                f"Unknown engine `{self.engine}`. Choose one of {', '.join(ENGINES)}."
            )
        if (self.engine == "milvus") != bool(self.uri):
            raise ValueError(
                "Milvus needs --uri, an address or a .db file, and no other engine takes it. "
                "Give --engine milvus and --uri together."
            )
