"""What one client may ask of the server, and how often."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# Clients that are remembered; an older one is forgotten, which gives it a full bucket again.
MAX_CLIENTS = 4_096


@dataclass(frozen=True, kw_only=True)
class ServeLimits:
    """Bounds of a query; whatever is above is refused, never cut."""

    max_k: int = 1_000
    """Results of one search."""
    max_body: int = 8_000_000
    """Bytes of one request."""
    max_pixels: int = 25_000_000
    """Of a picture that is searched for; told by its header, before it is decoded."""
    max_text: int = 2_000
    """Characters; CLIP reads no more than its first 77 tokens anyway."""
    rate: float = 5.0
    """Searches a second that one address may go on making."""
    burst: int = 20
    """Searches that it may make at once after a pause."""
    concurrency: int = 2
    """Searches that run at the same time."""
    waiting: int = 32
    """Searches that wait for one of these; further ones are told to come back."""
    thumbnail_side: int = 256
    """Longest side of a picture that is shown."""
    patience_s: float = 20.0
    """Time to send a request's body in."""

    def __post_init__(self) -> None:
        for name in ("max_k", "max_body", "max_pixels", "max_text", "burst", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, which lets nothing through. Give 1 or more."
                )
        if not self.rate > 0:
            raise ValueError(f"rate is {self.rate} searches a second. Give a number above 0.")


class TokenBuckets:
    """How often each client may ask: a bucket of tokens that fills at a steady rate."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self.clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, client: str, cost: float) -> float:
        """Takes `cost` tokens and gives 0; where there are too few, takes none."""
        now = self.clock()
        tokens, since = self._buckets.pop(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - since) * self.rate)
        enough = tokens >= cost
        self._buckets[client] = (tokens - cost if enough else tokens, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if enough else (cost - tokens) / self.rate
