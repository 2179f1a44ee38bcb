"""`mindeye gallery serve`: a gallery, an index, a CLIP and a run behind one port."""

import errno
import ipaddress
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mindeye.report.banner import SIMULATED
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.folder import Gallery, open_gallery
from mindeye.retrieval.gallery.open_engine import open_engine
from mindeye.retrieval.gallery.pictures.places import pictures
from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.service import GalleryService
from mindeye.verbs.device import require_device
from mindeye.verbs.gallery.serve_queries import brain_images, query_clip

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# Open connections; searches are bounded on their own.
MAX_CONNECTIONS = 200
SIMULATED_PICTURES = "SIMULATED pictures: drawn, no photographs."


@dataclass(frozen=True, kw_only=True)
class Listening:
    """A port that is ours."""

    socket: socket.socket
    address: str
    """For the browser."""
    hosts: frozenset[str] | None
    """Names by which the server may be called; None: any."""


@contextmanager
def listen(host: str, port: int, *, expose: bool) -> Iterator[Listening]:
    """Takes a port before anything slow is opened.

    Raises:
        ValueError: other machines would reach it, and nobody said that they may.
        OSError: the port is taken, or the host is not one of this machine's.
    """
    local = is_loopback(host)
    if not local and not expose:
        raise ValueError(
            f"Other machines reach {host}, and this server asks nobody for a password. "
            "Add --expose if that is meant, or leave --host out."
        )
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise OSError(f"There is no host {host} ({error.strerror}). Leave --host out.") from error
    with socket.socket(family, kind, protocol) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(place)
        except OSError as error:
            raise OSError(_why_not_bound(host, port, error)) from error
        shown = f"[{host}]" if ":" in host else host
        yield Listening(
            socket=taken,
            address=f"http://{shown}:{taken.getsockname()[1]}/",
            hosts=LOCAL_NAMES | {host.lower()} if local else None,
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_service(
    path: Path,
    *,
    limits: ServeLimits,
    clip: Path | None = None,
    name: str | None = None,
    run: Path | None = None,
    subject: int | None = None,
    data: Path | None = None,
    device: str = "cpu",
    engine: EngineChoice | None = None,
) -> GalleryService:
    """Opens all that answers need; a run's test scans are decoded once, here.

    Args:
        clip: folder of the CLIP that embedded the gallery; None: the run's, or the offline one.
        engine: None: on this machine.

    Raises:
        FileNotFoundError: no gallery, no run, no CLIP.
        ValueError: a CLIP or a run that does not fit the gallery.
    """
    require_device(device)
    gallery = open_gallery(path)
    brain, notes = None, simulated_notes(gallery)
    if run is not None:
        chosen = {"subject": subject, "data": data, "device": device, "clip": clip}
        brain, simulated = brain_images(run, gallery, **chosen)
        notes += [SIMULATED] if simulated else []
    return GalleryService(
        name=name or path.resolve().name,
        gallery=gallery,
        index=open_engine(gallery, engine or EngineChoice()),
        picture_bytes=lambda row: pictures(gallery, np.array([row]))[0].read(),
        embedder=query_clip(gallery, clip, run, device),
        brain=brain,
        notes=notes,
        limits=limits,
    )


def simulated_notes(gallery: Gallery) -> list[str]:
    """What of a gallery is made up: pictures, or vectors that never were pictures."""
    sources = gallery.about.get("sources", [])
    bare = [one.get("form") == "laion" and bool(one.get("simulated")) for one in sources]
    made_up = sum(shard.num_kept for shard in gallery.shards if bare and bare[shard.source])
    notes = []
    if gallery.about.get("simulated") and made_up < gallery.num_kept:
        notes.append(SIMULATED_PICTURES)
    if made_up:
        notes.append(
            f"SIMULATED vectors: {made_up:,} of {gallery.num_kept:,} are made up, without pictures."
        )
    return notes


def serve(service: GalleryService, listening: Listening, *, origins: Collection[str] = ()) -> None:
    """Answers until Ctrl-C or SIGTERM; what is being answered then is finished first."""
    import uvicorn

    from mindeye.retrieval.gallery.serving.app import make_app

    config = uvicorn.Config(
        make_app(service, hosts=listening.hosts, origins=origins),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
    try:
        uvicorn.Server(config).run(sockets=[listening.socket])
    except KeyboardInterrupt:
        # uvicorn has ended in order, and passes the signal on.
        return


def require_server() -> None:
    """Refuses to begin without the packages of the extra.

    Raises:
        LookupError: names what is absent.
    """
    absent = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if absent:
        raise LookupError(
            f"The server needs {' and '.join(absent)}, which is not installed. Run "
            "`pip install 'mindeye[serve]'`."
        )


def _why_not_bound(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use. Choose another one with --port, or 0 for any."
    return f"{host} port {port} cannot be listened on ({error.strerror}). Choose others."
