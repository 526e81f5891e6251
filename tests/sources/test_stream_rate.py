"""A live source's rate is what arrives, not what it says or what a library makes up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.sources import Reader, _reader, open_source

FRAMES, PERIOD_S = 40, 0.2


class Slow:
    """Gives a frame every 200 ms of a clock of its own, and says that it gives 25 a second."""

    name, fps, size, frames, live = "cam01", 25.0, (4, 3), 0, True

    def __init__(self) -> None:
        self.now_s, self._given = 1.0, 0

    def read(self) -> VideoFrame | None:
        if self._given == FRAMES:
            return None
        self.now_s, self._given = self.now_s + PERIOD_S, self._given + 1
        return VideoFrame(np.zeros((3, 4, 3), np.uint8), FrameNumber(self._given), TimeNs(0), self.name)

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        pass


def test_reader_measures_the_rate_of_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Slow()
    monkeypatch.setattr(_reader, "time", SimpleNamespace(monotonic=lambda: source.now_s))
    with Reader(source, ahead=FRAMES) as reader:
        while reader.read(5.0) is not None:
            pass
        assert reader.rate_hz == pytest.approx(1 / PERIOD_S)


@contextmanager
def pictures_over_http() -> Iterator[str]:
    """One JPEG after the other, as cheap network cameras and telephones send them."""
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
            for _ in range(200):
                self.wfile.write(head + picture + b"\r\n")

        def log_message(self, *_: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # who looks goes away
                self.close_connection = True

    server = HTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/cam01.mjpg"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_pictures_over_http_have_no_rate_of_their_own() -> None:
    with pictures_over_http() as address:
        source = open_source(address, "cam01")
        try:
            frame = source.read()
            assert frame is not None
            assert (source.fps, source.size, frame.image.shape) == (0.0, (64, 48), (48, 64, 3))
        finally:
            source.close()
