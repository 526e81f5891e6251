"""Small videos, pictures and a network camera, whose frames tell their number by their brightness."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ParamSpec, TypeVar

import cv2
import numpy as np

P = ParamSpec("P")
T = TypeVar("T")
SIZE = (64, 48)


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Bright on the left, by the last digit of its number: 40, 60 ... 220."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, : size[0] // 2] = 40 + 20 * (number % 10)
    return image


def digit_of(image: np.ndarray) -> int:
    """The last digit of a picture's number, whatever compression made of it."""
    return round((int(image[10, 10, 0]) - 40) / 20)


def write_video(
    path: Path, frames: int = 10, fps: float = 25.0, size: tuple[int, int] = SIZE, codec: str = "MJPG"
) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(picture(number, size))
    writer.release()
    return path


def beside(do: Callable[P, T]) -> Callable[P, T]:
    """The same in a thread of its own: SVT-AV1 takes real-time priority for the thread that encodes, and keeps it."""

    @wraps(do)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(do, *args, **kwargs).result()

    return call


class MotionJpeg(BaseHTTPRequestHandler):
    """A network camera: `pictures` pictures, then the connection is cut."""

    pictures = 5

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # whoever watches may go before the end
            for number in range(self.pictures):
                jpeg = cv2.imencode(".jpg", picture(number))[1].tobytes()
                head = b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                self.wfile.write(head + jpeg + b"\r\n")

    def log_message(self, *_: object) -> None:
        pass
