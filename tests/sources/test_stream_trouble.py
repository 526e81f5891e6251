"""A stream that cannot be opened: what its server answered, and what to do, in one line that names the address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest

from multiview.errors import SourceError
from multiview.sources import stream
from tests.footage import picture

SIZE = (128, 96)


class Server(BaseHTTPRequestHandler):
    """/404 answers with that status, /page is HTML, /nothing is empty, /film.mp4 is sent as one whole."""

    film = b""

    def do_GET(self) -> None:
        what = self.path[1:]
        if what.isdigit():
            self.send_error(int(what))
            return
        kind = {"page": "text/html", "film.mp4": "video/mp4"}.get(what, "application/octet-stream")
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write({"page": b"<html>" * 99, "film.mp4": self.film}.get(what, b""))

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Who asks may break off."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; the index of its film is at the end, as in most recordings."""
    path: Path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for number in range(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number, SIZE), format="bgr24")))
        container.mux(video.encode(None))
    content = path.read_bytes()
    index = content.index(b"moov") - 4
    assert content.index(b"mdat") < index
    padding = b"free" + bytes(2**22)  # more than anybody reads ahead
    Server.film = content[:index] + (len(padding) + 4).to_bytes(4, "big") + padding + content[index:]
    served = Quiet(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://{}/404", r"/404 cannot be opened: 404 Not Found: check its path"),
        ("http://me:word@{}/401", r"/401 cannot be opened: 401 Unauthorized .*: check user and password"),
        ("http://{}/418", r"/418 cannot be opened: 418 I'm a Teapot: check its address"),
        ("http://{}/503", r"/503 cannot be opened: 5XX .*: this is the camera's own fault"),
        ("http://{}/page", r"sends text/html, no video: give the address of the stream itself"),
        ("http://{}/nothing", r"its server answers, and sends nothing"),
        ("http://{}/film.mp4", r"gives files only whole, .*: copy it to this computer"),
        ("https://{}/404", r"no https there \(.+\): write http://"),
        ("rtsp://{}/404", r"what answers there is no RTSP camera: check the port"),
        ("http://127.0.0.1:9/x", r"connection refused: nothing listens at port 9 there"),
        (
            "rtsp://no.such.computer.invalid/x",
            r"no computer 'no.such.computer.invalid' in this network: check the name",
        ),
        ("cam://{}/x", r"no kind of address that is known here"),
    ],
)
def test_stream_that_cannot_be_opened_says_why_and_what_to_do(server: str, address: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as raised:
        stream.Source(address.format(server), "cam01", reconnect_s=0.1).read()
    assert "word" not in str(raised.value).replace("password", "")
    assert "\n" not in str(raised.value)
