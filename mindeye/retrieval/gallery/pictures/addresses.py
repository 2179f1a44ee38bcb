"""Which hosts a downloader may talk to: a gallery's metadata was written by strangers.

An address is looked up once and connected to as it was checked: a name that later leads somewhere
else leads nowhere.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

PORT_OF = {"http": 80, "https": 443}


class ClosedHostError(ValueError):
    """A url that leads to the own machine or network, or nowhere."""


def checked_url(url: str) -> SplitResult:
    """A url that may be asked for.

    Raises:
        ClosedHostError: another scheme than http and https, no host, or a password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ClosedHostError(f"no url ({error})") from error
    if parts.scheme not in PORT_OF or not parts.hostname:
        raise ClosedHostError(f"only http and https are fetched, not `{parts.scheme or url[:40]}`")
    if parts.username or parts.password:
        raise ClosedHostError("it holds a name or password")
    if port == 0 or not (url.isascii() and url.isprintable()) or " " in url:
        raise ClosedHostError("it has characters or a port that no url has")
    return parts


def open_address(host: str, port: int, *, private: bool) -> str:
    """The IP address of a host.

    Args:
        private: whether addresses of the own machine and network are fine.

    Raises:
        ClosedHostError: such an address, though they are not fine.
        OSError: the name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(one[4][0].partition("%")[0]) for one in found]
    closed = [str(one) for one in addresses if not _is_open(one)]
    if closed and not private:
        raise ClosedHostError(f"{host} is {closed[0]}, an address of the own machine or network")
    return str(addresses[0])


def _is_open(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is not None:
        address = inner
    return address.is_global and not address.is_multicast


def connection_to(
    parts: SplitResult, *, seconds: float, private: bool
) -> http.client.HTTPConnection:
    """A connection to the checked address of a url's host; opened at the first request.

    Raises:
        ClosedHostError, OSError: as `open_address`.
    """
    port = parts.port or PORT_OF[parts.scheme]
    address = open_address(parts.hostname, port, private=private)
    if parts.scheme == "http":
        connection = http.client.HTTPConnection(parts.hostname, port, timeout=seconds)
    else:
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, port, timeout=seconds, context=context
        )

    def connect(_: tuple[str, int], *rest: object, **more: object) -> socket.socket:
        return socket.create_connection((address, port), *rest, **more)

    # http.client's own place for another way to connect; certificates are still checked by name.
    connection._create_connection = connect
    return connection


@contextlib.contextmanager
def ending_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Hangs up on a server that gives its answer drop by drop, so that no single wait is long.

    Raises:
        TimeoutError: it had to.
    """
    hung_up = threading.Event()

    def hang_up() -> None:
        hung_up.set()
        with contextlib.suppress(OSError):  # it has gone by itself
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(seconds, hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if hung_up.is_set():
            raise TimeoutError from error
        raise
    finally:
        watch.cancel()
