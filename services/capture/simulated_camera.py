"""A camera of a simulated studio that films somebody with the calibration board of the studio's folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import msgspec
import numpy as np

from multiview.cameras.camera import Camera
from multiview.common.toml import decode_toml
from multiview.data import NS_PER_S, FrameNumber, TimeNs, VideoFrame
from multiview.errors import SourceError
from multiview.studio.config import SyntheticSource
from multiview.studio.derived import synthetic_options
from multiview.synthetic import make_rig
from multiview.synthetic.board_show import BoardShow

__all__ = ["RATE_HZ", "SimulatedCamera", "simulated_cameras"]

RATE_HZ = 5.0  # slow, for the pictures have to be rendered
HOLD_S = 20.0  # the longest that is waited until a frame is searched
_PERIOD_NS = round(NS_PER_S / RATE_HZ)


class _Print(msgspec.Struct):
    """What of a board file says how large its print is."""

    squares: tuple[int, int]
    square_length: float


class _Round(NamedTuple):
    """One instant at which every camera takes a frame, on this machine's monotonic clock."""

    number: int
    time_ns: int


class _Rounds:
    """The instants of all cameras; the next comes when each has taken its frame and the board was looked for in all
    of them, and not before it is due.

    So a slow machine slows the show down, and every camera still sees all of it, in step with the others.
    """

    def __init__(self, cameras: int, began_ns: int, searched: Callable[[int], bool] | None) -> None:
        self._searched = searched or (lambda time_ns: True)
        self.now = _Round(-1, began_ns - _PERIOD_NS)
        self._barrier = threading.Barrier(cameras, self._advance)
        self._closed = threading.Event()

    def next(self) -> _Round | None:
        """Wait for the others, and for the next instant; None once one is closed."""
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:
            return None
        return None if self._closed.is_set() else self.now

    def close(self) -> None:
        """There is no further instant."""
        self._closed.set()
        self._barrier.abort()

    def _advance(self) -> None:
        end_s = time.monotonic() + HOLD_S
        while not self._searched(self.now.time_ns) and time.monotonic() < end_s and not self._closed.is_set():
            self._closed.wait(0.01)
        due_ns = self.now.time_ns + _PERIOD_NS
        self._closed.wait(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S))
        late = time.monotonic_ns() > due_ns + _PERIOD_NS
        self.now = _Round(self.now.number + 1, time.monotonic_ns() if late else due_ns)


class SimulatedCamera:
    """Takes a frame at every instant that all cameras of the studio share; each is read by a thread of its own.

    Args:
        camera: The simulated one.
        show: What it sees.
        rounds: The instants.
    """

    live = True
    frames = 0
    fps = RATE_HZ

    def __init__(self, camera: Camera, show: BoardShow, rounds: _Rounds) -> None:
        self._camera, self._show, self._rounds = camera, show, rounds
        self.name, self.size = camera.name, camera.size
        self._rendered = False

    @property
    def trouble(self) -> str:
        """Why no picture has come yet."""
        return "" if self._rendered else "its first picture is being rendered by this machine, which is busy"

    @property
    def scene(self) -> str:
        """What goes on now, where that matters to whoever films."""
        on_floor = self._show.on_floor(max(0, self._rounds.now.number) / RATE_HZ)
        return "simulated: the board lies on the floor" if on_floor else ""

    def read(self) -> VideoFrame | None:
        """The next frame; None once a camera is closed."""
        now = self._rounds.next()
        if now is None:
            return None
        image = self._show.picture(self._camera, now.number / RATE_HZ)
        self._rendered = True
        return VideoFrame(image, FrameNumber(now.number), TimeNs(now.time_ns), self.name)

    def skip(self) -> bool:
        """Pass over the next frame."""
        return self._rounds.next() is not None

    def close(self) -> None:
        """See nothing more, and neither do the others."""
        self._rounds.close()


def simulated_cameras(
    source: SyntheticSource, board: Path | None, began_ns: int, searched: Callable[[int], bool] | None = None
) -> list[SimulatedCamera]:
    """The cameras of a simulated studio.

    Args:
        source: The studio's.
        board: The board file; its print is board.png beside it. None: there is no board, and nothing to see.
        began_ns: When the show begins.
        searched: Whether the board was looked for in the frames of a time; whoever shows it waits for that.

    Returns:
        One for each camera.

    Raises:
        SourceError: The print cannot be read.
    """
    rig = make_rig(synthetic_options(source))
    texture, width_m = (None, 1.0) if board is None else _print(board)
    show, rounds = BoardShow(rig, texture, width_m), _Rounds(len(rig), began_ns, searched)
    return [SimulatedCamera(camera, show, rounds) for camera in rig.cameras]


def _print(board: Path) -> tuple[np.ndarray, float]:
    """The print without its margin, which is half a square, and its width, m."""
    path = board.with_name("board.png")
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None:
        raise SourceError(f"{path}: no print of the board; make the board with `multiview calibrate board --out DIR`")
    size = decode_toml(board, _Print)
    margin = round(0.5 * picture.shape[0] / (size.squares[1] + 1))
    return np.asarray(picture[margin:-margin, margin:-margin], np.uint8), size.squares[0] * size.square_length
