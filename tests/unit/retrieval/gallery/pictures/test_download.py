"""Pictures of urls from a server on this machine, good and hostile ones."""

import contextlib
import http.server
import io
import re
import socket
import ssl
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mindeye.retrieval.gallery.pictures.addresses import ClosedHostError, checked_url, open_address
from mindeye.retrieval.gallery.pictures.download import (
    Downloader,
    DownloadLimits,
    directives_of,
)
from mindeye.retrieval.gallery.pictures.outcomes import counted_reasons, is_passing

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
HERE = DownloadLimits(private_addresses=True, host_delay_s=0.0, seconds=5.0)


def png(pixels, mode=None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, "PNG")
    return buffer.getvalue()


BOMB = png(np.zeros((400, 400, 3), np.uint8))
PAGES = {
    "/picture.png": (200, {"Content-Type": "image/png"}, png(PIXELS)),
    "/unnamed": (200, {}, png(PIXELS)),
    "/busy": (503, {}, b""),
    "/page": (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>gone</html>"),
    "/disguised.jpg": (200, {"Content-Type": "image/jpeg"}, b"<html>gone</html>"),
    "/bomb": (200, {"Content-Type": "image/png"}, BOMB),
    "/cut": (200, {"Content-Type": "image/png", "Content-Length": "9999"}, png(PIXELS)),
    "/large": (200, {"Content-Type": "image/png"}, b"x" * 5000),
    "/moved": (302, {"Location": "/picture.png"}, b""),
    "/circle": (302, {"Location": "/circle"}, b""),
    "/to-file": (302, {"Location": "file:///etc/passwd"}, b""),
    "/noai": (200, {"X-Robots-Tag": "NoAI, noarchive"}, png(PIXELS)),
    "/others": (200, {"X-Robots-Tag": "otherbot: noindex"}, png(PIXELS)),
    "/ours": (200, {"X-Robots-Tag": "mindeye: noindex"}, png(PIXELS)),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers["User-Agent"], time.monotonic()))
        if self.path == "/slow-words":
            with contextlib.suppress(OSError):
                for _ in range(60):
                    self.wfile.write(b"H")
                    self.wfile.flush()
                    time.sleep(0.05)
            return
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
            return
        status, headers, content = PAGES.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *given):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that has heard enough closes the connection


@pytest.fixture(scope="module")
def running():
    server = QuietServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running):
    running.asked = []
    return running


@pytest.fixture
def address(server):
    return f"http://127.0.0.1:{server.server_port}"


def why(tmp_path, url, **changes) -> str:
    fetched = Downloader(tmp_path, replace(HERE, **changes)).fetch(url)
    assert fetched.picture is None
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    return fetched.why


@pytest.mark.parametrize("path", ["/picture.png", "/unnamed", "/moved", "/others"])
def test_a_picture_comes_as_its_pixels_and_only_once(path, tmp_path, address, server):
    first = Downloader(tmp_path, HERE).fetch(address + path)
    asked = len(server.asked)
    again = Downloader(tmp_path, HERE).fetch(address + path)
    assert first.why is None
    assert (first.picture == PIXELS).all()
    assert (again.picture == PIXELS).all()
    assert len(server.asked) == asked
    assert all(agent.startswith("mindeye/") for _, agent, _ in server.asked)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/absent", "status 404"),
        ("/page", "text/html, no picture"),
        ("/disguised.jpg", "no picture that can be read"),
        ("/cut", "cut off: .* bytes are missing"),
        ("/circle", "more than 5 redirects"),
        ("/to-file", "only http and https"),
        ("/noai", r"leave it alone \(noai\)"),
        ("/ours", r"leave it alone \(noindex\)"),
    ],
)
def test_what_is_no_picture_for_us_is_told_and_not_kept(path, reason, tmp_path, address):
    assert re.search(reason, why(tmp_path, address + path))


def test_only_what_may_pass_is_said_to_pass(tmp_path, address):
    passing = {"/busy": True, "/cut": True, "/drip": True, "/absent": False, "/page": False}
    passing |= {"/disguised.jpg": False, "/circle": False, "/to-file": False, "/noai": False}
    downloader = Downloader(tmp_path, replace(HERE, seconds=1.0))
    assert {path: downloader.fetch(address + path).passing for path in passing} == passing
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = downloader.fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/a.png")
    assert refused.passing
    assert is_passing(socket.gaierror(socket.EAI_AGAIN, "no name server"))
    assert not is_passing(socket.gaierror(socket.EAI_NONAME, "no such name"))
    assert not is_passing(ssl.SSLCertVerificationError("expired"))


def test_bytes_pixels_and_seconds_are_bounded(tmp_path, address):
    assert "more than 4,999 bytes" in why(tmp_path, address + "/large", max_bytes=4999)
    assert "400 x 400 pixels, more than 1,000" in why(tmp_path, address + "/bomb", max_pixels=1000)
    started = time.monotonic()
    assert "no answer within 0.3 s" in why(tmp_path, address + "/drip", seconds=0.3)
    assert time.monotonic() - started < 1.5


def test_headers_that_come_drop_by_drop_are_not_waited_for(tmp_path, address):
    began = time.monotonic()
    found = Downloader(tmp_path, replace(HERE, seconds=0.3)).fetch(f"{address}/slow-words")
    assert found.why == "no answer within 0.3 s"
    assert time.monotonic() - began < 2


def test_the_own_machine_and_network_are_closed_unless_opened(tmp_path, address, server):
    assert "own machine or network" in why(
        tmp_path, address + "/picture.png", private_addresses=False
    )
    assert server.asked == []
    for host in ("localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "0.0.0.0",
                 "::ffff:127.0.0.1", "100.64.0.1"):  # fmt: skip
        with pytest.raises(ClosedHostError, match="own machine or network"):
            open_address(host, 80, private=False)
    assert open_address("1.1.1.1", 80, private=False) == "1.1.1.1"


def test_a_redirect_into_the_own_network_is_closed_too(tmp_path, address, server, monkeypatch):
    from mindeye.retrieval.gallery.pictures import addresses

    def only_the_first(host, port, *, private):
        return open_address(host, port, private=host == "outside.example")

    def looked_up(host, port, *given, **more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(addresses, "open_address", only_the_first)
    monkeypatch.setitem(PAGES, "/in", (302, {"Location": f"{address}/picture.png"}, b""))
    port = address.rpartition(":")[2]
    told = why(tmp_path, f"http://outside.example:{port}/in", private_addresses=False)
    assert "own machine or network" in told
    assert [path for path, *_ in server.asked] == ["/in"]


@pytest.mark.parametrize(
    "url",
    ["ftp://a/b", "file:///etc/passwd", "//a/b", "http:///b", "http://a:b@c/d", "http://a/b c",
     "http://a/b\r\nX: y", "http://a:99999/", "http://a:0/", "javascript:1", ""],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url):
    with pytest.raises(ClosedHostError):
        checked_url(url)


def test_a_host_is_asked_one_by_one_with_the_delay_between(tmp_path, address, server):
    downloader = Downloader(tmp_path, replace(HERE, host_delay_s=0.15))
    fetched = downloader.fetch_all([address + path for path in ("/picture.png", "/page", "/noai")])
    assert [one.why is None for one in fetched] == [True, False, False]
    times = [when for _, _, when in server.asked]
    assert np.diff(times).min() >= 0.14


def test_transparency_stands_on_white_and_a_host_without_name_is_told(tmp_path):
    clear = np.zeros((2, 2, 4), np.uint8)
    downloader = Downloader(tmp_path, HERE)
    place = downloader.path_of("http://a/clear")
    place.parent.mkdir(parents=True)
    place.write_bytes(png(clear, "RGBA"))
    assert (downloader.fetch("http://a/clear").picture == 255).all()
    assert downloader.fetch("http://no-such-host.invalid/x").picture is None


def test_directives_for_other_agents_are_not_for_us():
    assert directives_of("noai, NOINDEX") == {"noai", "noindex"}
    assert directives_of("MindEye: noai") == {"noai"}
    assert directives_of("googlebot: noindex") == set()
    assert "noai" in directives_of("unavailable_after: 25 Jun 2010, noai")
    assert counted_reasons({"a": 1, "b": 3}) == "3 x b; 1 x a"


def test_a_limit_that_nothing_fits_into_is_refused():
    with pytest.raises(ValueError, match="Give positive numbers"):
        DownloadLimits(max_bytes=0)
