"""A camera of a simulated studio that films somebody with the calibration board of the studio's folder."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import msgspec
import numpy as np

from multiview.cameras.camera import Rig
from multiview.common.toml import decode_toml
from multiview.data import NS_PER_S, VideoFrame
from multiview.errors import SourceError
from multiview.studio.config import SyntheticSource, synthetic_options
from multiview.synthetic import make_rig
from multiview.synthetic.board_show import BoardShow

__all__ = ["RATE_HZ", "SimulatedCamera", "simulated_cameras"]

RATE_HZ = 5.0  # slow, for the pictures have to be rendered


class _Print(msgspec.Struct):
    """What of a board file says how large its print is."""

    squares: tuple[int, int]
    square_length: float


class SimulatedCamera:
    """Frames due on a grid that all cameras of the studio share; those that it was too slow for are left out.

    Args:
        rig: The simulated cameras.
        name: Which of them.
        show: What it sees.
        began_ns: When the show began, on this machine's monotonic clock.
    """

    live = True
    frames = 0
    fps = RATE_HZ

    def __init__(self, rig: Rig, name: str, show: BoardShow, began_ns: int) -> None:
        self._camera, self._show, self._began_ns = rig.cameras[rig.index(name)], show, began_ns
        self.name, self.size = name, self._camera.size
        self._index, self._rendered = -1, False
        self._closed = threading.Event()

    @property
    def trouble(self) -> str:
        """Why no picture has come yet."""
        return "" if self._rendered else "its first picture is being rendered by this machine, which is busy"

    @property
    def scene(self) -> str:
        """What goes on now, where that matters to whoever films."""
        now_s = (time.monotonic_ns() - self._began_ns) / NS_PER_S
        return "simulated: the board lies on the floor" if self._show.on_floor(now_s) else ""

    def read(self) -> VideoFrame | None:
        """The next frame when it is due; None once closed."""
        passed = (time.monotonic_ns() - self._began_ns) * RATE_HZ / NS_PER_S
        self._index = max(self._index + 1, int(passed))
        due_ns = self._began_ns + round(self._index * NS_PER_S / RATE_HZ)
        if self._closed.wait(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S)):
            return None
        image = self._show.picture(self._camera, (due_ns - self._began_ns) / NS_PER_S)
        self._rendered = True
        return VideoFrame(image, self._index, due_ns, self.name)

    def skip(self) -> bool:
        """Pass over the next frame."""
        self._index += 1
        return not self._closed.is_set()

    def close(self) -> None:
        """See nothing more."""
        self._closed.set()


def simulated_cameras(source: SyntheticSource, board: Path | None, began_ns: int) -> list[SimulatedCamera]:
    """The cameras of a simulated studio.

    Args:
        source: The studio's.
        board: The board file; its print is board.png beside it. None: there is no board, and nothing to see.
        began_ns: When the show begins.

    Returns:
        One for each camera.

    Raises:
        SourceError: The print cannot be read.
    """
    rig = make_rig(synthetic_options(source))
    texture, width_m = (None, 1.0) if board is None else _print(board)
    show = BoardShow(rig, texture, width_m)
    return [SimulatedCamera(rig, name, show, began_ns) for name in rig.names]


def _print(board: Path) -> tuple[np.ndarray, float]:
    """The print without its margin, which is half a square, and its width, m."""
    path = board.with_name("board.png")
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None:
        raise SourceError(f"{path}: no print of the board; make the board with `multiview calibrate board --out DIR`")
    size = decode_toml(board, _Print)
    margin = round(0.5 * picture.shape[0] / (size.squares[1] + 1))
    return np.asarray(picture[margin:-margin, margin:-margin], np.uint8), size.squares[0] * size.square_length
