"""Small videos, pictures and a network camera, whose frames tell their number by their brightness."""

from __future__ import annotations

import contextlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import cv2
import numpy as np

SIZE = (64, 48)
NUMBERED = '''
"""A camera whose pictures show their number in binary, and which tells a file what it has given."""

from pathlib import Path

import numpy as np

from multiview.data import VideoFrame


class Source:
    live, frames, fps, size = False, 0, 30.0, (256, 48)

    def __init__(self, name):
        self.name, self.number = name, 0
        self.log = Path(__file__).with_name(f"{name}.log").open("w", buffering=1)

    def read(self):
        image = np.zeros((48, 256, 3), np.uint8)
        for bit in range(16):
            image[:, 16 * bit : 16 * bit + 16] = 255 * (self.number >> bit & 1)
        frame = VideoFrame(image, self.number, round(self.number * 1e9 / self.fps), self.name)
        self.log.write(f"{self.number}\\n")
        self.number += 1
        return frame

    def skip(self):
        return self.read() is not None

    def close(self):
        self.log.close()
'''


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


def number_of(image: np.ndarray) -> int:
    """The number that a picture of a `NUMBERED` camera shows."""
    return sum(1 << bit for bit in range(16) if image[24, 16 * bit + 8].mean() > 128)
