"""What a downloader asks for, and how far it follows."""

import http.server
import io
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mindeye.retrieval.gallery.pictures.download import Downloader, DownloadLimits
from mindeye.retrieval.gallery.pictures.outcomes import PASSING, is_passing

LIMITS = DownloadLimits(private_addresses=True, host_delay_s=0.0, seconds=5.0)


def png_of(pixels, **more) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **more)
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """`/N` leads to `/N - 1`, and `/0` is the picture."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.server.asked.append(self.path)
        if path.strip("/0"):
            self.send_response(302)
            self.send_header("Location", f"/{int(path[1:]) - 1}")
            self.end_headers()
            return
        self.send_response(200)
        for value in ("noarchive", "noimageai") if query == "closed" else ():
            self.send_header("X-Robots-Tag", value)
        self.end_headers()
        self.wfile.write(png_of(np.zeros((2, 3, 3), np.uint8)))

    def log_message(self, *given):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(server, tmp_path):
    return lambda path: Downloader(tmp_path, LIMITS).fetch(
        f"http://127.0.0.1:{server.server_port}{path}"
    )


def test_what_stands_behind_the_question_mark_is_asked_for_and_told_apart(fetch, server):
    for query in ("size=s", "size=l", "size=s"):
        assert fetch(f"/0?{query}").why is None
    assert server.asked == ["/0?size=s", "/0?size=l"]


def test_five_redirects_are_followed_and_not_six(fetch):
    assert fetch("/5").why is None
    assert fetch("/6").why == "more than 5 redirects"


def test_every_header_of_several_is_heard(fetch):
    assert "asks machines to leave it alone (noimageai)" in fetch("/0?closed").why


def test_a_photograph_is_turned_as_its_camera_noted(tmp_path):
    lying, exif = np.zeros((4, 6, 3), np.uint8), Image.Exif()
    lying[:, :3] = 255
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it
    downloader = Downloader(tmp_path, LIMITS)
    place = downloader.path_of("http://a/lying")
    place.parent.mkdir(parents=True)
    place.write_bytes(png_of(lying, exif=exif))
    assert (downloader.fetch("http://a/lying").picture == np.rot90(lying, -1)).all()


def test_a_server_that_is_busy_or_asks_to_slow_down_is_asked_again():
    assert {408, 429, 500, 503} <= {*PASSING}
    assert not {400, 403, 404, 410, 451} & {*PASSING}
    assert is_passing(TimeoutError())


def test_a_delay_below_zero_is_refused():
    with pytest.raises(ValueError, match="Give positive numbers"):
        replace(LIMITS, host_delay_s=-1.0)
