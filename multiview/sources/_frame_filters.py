"""FFmpeg's filters for decoded frames: two fields made one picture, and any pixel format unpacked to upright BGR."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    import av

__all__ = ["Deinterlacer", "Unpacker"]

DEINTERLACE = "mode=send_frame:deint=interlaced"  # one picture per frame; what is progressive stays as it is
ROTATIONS = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)  # by quarters to the left


class Deinterlacer:
    """Interlaced frames to progressive ones, of which each comes one call late; `None` gives what is left."""

    def __init__(self, first: av.VideoFrame) -> None:
        self._graph = _graph(first, ("yadif", DEINTERLACE))

    def __call__(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        import av

        self._graph.push(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


class Unpacker:
    """Decoded frames to BGR pictures of 8 bits, by the colour matrix and range that each frame names, turned upright.

    The filter graph keeps its memory from frame to frame: with a new one for each, most of the time goes to the
    operating system's clearing of pages. A picture is that memory, which is not used again before the picture is let
    go; its rows may lie further apart than they are long.
    """

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[object, ...] = ()
        self._orientation = 0, False

    def __call__(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "H W 3"]:
        kind = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, frame.rotation)
        if self._graph is None or kind != self._kind:  # a camera may change them while it runs
            self._graph, self._kind = _graph(frame, ("format", "bgr24")), kind
            self._orientation = _orientation(frame)
        quarters, mirrored = self._orientation
        self._graph.push(frame)
        unpacked = self._graph.vpull()
        plane = unpacked.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(unpacked.height, plane.line_size)
        image = rows[:, : 3 * unpacked.width].reshape(unpacked.height, unpacked.width, 3)
        if frame.format.name == "bgr24":
            return np.rot90(image[:, :: -1 if mirrored else 1], quarters).copy()  # it may be the decoder's own memory
        if mirrored:
            image = np.asarray(cv2.flip(image, 1), np.uint8)
        turn = ROTATIONS[quarters]
        if turn is not None:
            image = np.asarray(cv2.rotate(image, turn), np.uint8)
        return image


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """How a frame is turned for display: quarters to the left, after it was mirrored left to right.

    A frame that was asked for its side data holds itself (PyAV 18), and goes only when Python collects cycles: ask few.
    """
    side_data: Any = frame.side_data  # a mapping, which PyAV's stubs take for a dictionary of constants
    matrix = side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = (float(number) for number in np.frombuffer(memoryview(matrix), np.int32)[:5])
    mirrored = a * d - b * c < 0  # x is shown at (a x, b x), y at (c y, d y)
    right, down = (-a, -b) if mirrored else (a, b)
    return round(math.atan2(-down, right) / (math.pi / 2)) % 4, mirrored


def _graph(frame: av.VideoFrame, step: tuple[str, str]) -> av.filter.Graph:
    """A filter for frames like this one."""
    import av

    graph = av.filter.Graph()
    graph.threads = 1
    time_base = frame.time_base or Fraction(1, 90_000)
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={time_base}:pixel_aspect=1/1:"
        f"colorspace={frame.colorspace}:range={frame.color_range}",
    )
    graph.link_nodes(source, graph.add(*step), graph.add("buffersink")).configure()
    return graph
