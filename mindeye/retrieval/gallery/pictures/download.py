"""Fetches the pictures of urls: politely, within bounds, once.

A picture that cannot be had is an answer with its reason, never a blank picture. Whoever asks that
machines leave a picture alone (`X-Robots-Tag`: noai, noimageai, noindex, noimageindex) is heard, as
img2dataset hears them. Proxies are not used: addresses must be checked before they are connected.
"""

import contextlib
import hashlib
import http.client
import io
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from mindeye import __version__
from mindeye.files import atomic_path
from mindeye.retrieval.gallery.pictures.addresses import checked_url, connection_to, ending_after
from mindeye.retrieval.gallery.pictures.outcomes import PASSING, Fetched, Unfetched, is_passing

USER_AGENT = f"mindeye/{__version__} (picture retrieval)"
AGENT_NAME = "mindeye"
CLOSED_TO_MACHINES = ("noai", "noimageai", "noindex", "noimageindex")
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
BLOCK_BYTES = 65_536
# Of Pillow's readers those of pictures in the web: others start programs (EPS).
READERS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@dataclass(frozen=True, kw_only=True)
class DownloadLimits:
    """What one picture may cost, and how often a host is asked."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    """Fewer than of a picture that a gallery is built of: several of strangers are held at once."""
    seconds: float = 15.0
    """For all of it, redirects and content; the system bounds how long it looks a name up."""
    host_delay_s: float = 0.5
    """Between two requests to one host, which are never made at the same time."""
    at_once: int = 8
    """Hosts that are asked at the same time."""
    private_addresses: bool = False
    """Whether pictures of the own machine and network are fetched, as from a server in the house.
    Metadata of strangers could else ask such places in the user's name."""

    def __post_init__(self) -> None:
        positive = (self.max_bytes, self.max_pixels, self.seconds, self.at_once)
        if min(positive) <= 0 or self.host_delay_s < 0:
            raise ValueError(f"{self} holds a limit that nothing fits into. Give positive numbers.")


@dataclass
class Downloader:
    """Fetches pictures into a folder that keeps what has come, by the SHA-256 of the url."""

    cache: Path
    limits: DownloadLimits = DownloadLimits()
    _next_at: dict[str, float] = field(default_factory=dict)
    _lock_of: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, url: str) -> Fetched:
        """One picture, from the cache where it lies there."""
        place = self.path_of(url)
        try:
            if place.is_file():
                return Fetched(decoded(place.read_bytes(), self.limits.max_pixels), None)
            content = self._content(url)
            picture = decoded(content, self.limits.max_pixels)
        except Unfetched as reason:
            return Fetched(None, str(reason), reason.passing)
        with atomic_path(place) as temporary:
            temporary.write_bytes(content)
        return Fetched(picture, None)

    def fetch_all(self, urls: Sequence[str]) -> list[Fetched]:
        """Several, in their order."""
        with ThreadPoolExecutor(self.limits.at_once) as pool:
            return list(pool.map(self.fetch, urls))

    def path_of(self, url: str) -> Path:
        """Where a url's content lies once it has come."""
        name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        return self.cache / name[:2] / name

    def _content(self, url: str) -> bytes:
        ends_at = time.monotonic() + self.limits.seconds
        try:
            for _ in range(MOST_REDIRECTS + 1):
                found = self._answer(url, ends_at)
                if isinstance(found, bytes):
                    return found
                url = urljoin(url, found)
        except TimeoutError as error:
            why = f"no answer within {self.limits.seconds:g} s"
            raise Unfetched(why, passing=True) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
            raise Unfetched(why, passing=is_passing(error)) from error
        raise Unfetched(f"more than {MOST_REDIRECTS} redirects")

    def _answer(self, url: str, ends_at: float) -> bytes | str:
        """The content, or where it has moved."""
        parts = checked_url(url)
        with self._turn_at(parts.netloc):
            left = ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError
            private = self.limits.private_addresses
            connection = connection_to(parts, seconds=left, private=private)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            with contextlib.closing(connection), ending_after(left, connection):
                headers = {"User-Agent": USER_AGENT, "Accept": "image/*"}
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                if answer.status in REDIRECTS and answer.getheader("Location"):
                    return answer.getheader("Location")
                require_allowed(answer)
                return self._read(answer, connection, ends_at)

    def _read(
        self,
        answer: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        ends_at: float,
    ) -> bytes:
        most, parts, total = self.limits.max_bytes, [], 0
        if (answer.length or 0) > most:
            raise Unfetched(f"{answer.length:,} bytes, more than {most:,}")
        while True:
            left = ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
            part = answer.read1(BLOCK_BYTES)
            if not part:
                break
            parts.append(part)
            total += len(part)
            if total > most:
                raise Unfetched(f"more than {most:,} bytes")
        if answer.length:
            raise Unfetched(f"cut off: {answer.length:,} bytes are missing", passing=True)
        return b"".join(parts)

    @contextlib.contextmanager
    def _turn_at(self, host: str) -> Iterator[None]:
        """One request at a time to a host, with the delay between them."""
        with self._lock:
            lock = self._lock_of.setdefault(host, threading.Lock())
        with lock:
            time.sleep(max(0.0, self._next_at.get(host, 0.0) - time.monotonic()))
            try:
                yield
            finally:
                self._next_at[host] = time.monotonic() + self.limits.host_delay_s


def require_allowed(answer: http.client.HTTPResponse) -> None:
    """Refuses what is no picture by its own words, or is not for machines.

    Raises:
        Unfetched: with the reason.
    """
    if answer.status != 200:
        raise Unfetched(f"status {answer.status}", passing=answer.status in PASSING)
    tags = answer.headers.get_all("X-Robots-Tag") or ()
    closed = sorted({one for tag in tags for one in directives_of(tag)} & {*CLOSED_TO_MACHINES})
    if closed:
        raise Unfetched(f"its owner asks machines to leave it alone ({', '.join(closed)})")
    kind = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
    if kind.startswith("text/"):
        raise Unfetched(f"{kind}, no picture")


def directives_of(tag: str) -> set[str]:
    """What one X-Robots-Tag header says to us; `otherbot: noindex` says it to another."""
    agent, colon, rest = tag.partition(":")
    # `unavailable_after: DATE` is a directive with a value, not the name of an agent.
    if colon and "," not in agent and agent.strip().lower() != "unavailable_after":
        if agent.strip().lower() != AGENT_NAME:
            return set()
        tag = rest
    return {one.strip().lower() for one in tag.split(",")}


def decoded(content: bytes, max_pixels: int) -> UInt8[np.ndarray, "height width 3"]:
    """A picture as RGB, turned as its camera noted; transparency stands on white.

    Raises:
        Unfetched: no picture, a damaged one, or more pixels than are allowed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=READERS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise Unfetched(f"{width} x {height} pixels, more than {max_pixels:,}")
                return _as_rgb(ImageOps.exif_transpose(image))
    except Unfetched:
        raise
    except Image.DecompressionBombError as error:
        raise Unfetched(str(error)) from error
    # Damaged files raise what the decoder of their format happens to raise.
    except Exception as error:
        raise Unfetched(f"no picture that can be read ({type(error).__name__})") from error


def _as_rgb(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        above = image.convert("RGBA")
        white = Image.new("RGBA", above.size, "white")
        image = Image.alpha_composite(white, above)
    return np.array(image.convert("RGB"))
