"""Coverage of a board recording: the part of each image that the board has covered, and the cameras linked by it.

A separate process (`multiview calibrate watch`) detects the board, so that no camera drops frames because of it.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from multiview.data import VideoFrame
from multiview.errors import ConfigError

__all__ = ["Coverage", "Seen"]

COLUMNS, ROWS = 8, 6  # cells of the picture
ENOUGH_CELLS = 0.6  # of them, from which on a lens is well covered
ENOUGH_VIEWS, ENOUGH_SHARED = 30, 8  # the latter as solving asks
LEAST_VIEWS, LEAST_CORNERS = 12, 6  # of a camera, and of a view, without which there is nothing to solve
MOVED = 0.03  # of the picture, by which a board has to move to be another view
LATE_S = 1.0  # so long a round waits for a camera that is late
WIDTH = 1920  # px; a board across a room is found in no smaller picture
PLACES = (
    ("top left", "to the top", "top right"),
    ("to the left", "to the middle", "to the right"),
    ("bottom left", "to the bottom", "bottom right"),
)


@dataclass(slots=True)
class Seen:
    """Board corners that one camera has observed."""

    cells: np.ndarray = field(default_factory=lambda: np.zeros((ROWS, COLUMNS), dtype=bool))
    views: int = 0
    corners: int = 0  # in the newest picture
    places: list[tuple[float, float]] = field(default_factory=list)  # of them, as shares of width and height
    counted: np.ndarray = field(default_factory=lambda: np.full(4, np.inf))  # the box of the view counted last
    fresh: bool = False  # whether the newest picture is a view of its own

    def note(self, places: list[tuple[float, float]]) -> None:
        """Corners of one more picture; a board that lies still is one view, however long it lies."""
        self.corners, self.places, self.fresh = len(places), [(x, y) for x, y in places], False
        if not places:
            return
        xy = np.clip(np.array(places), 0, 0.9999)
        x, y = xy.T
        self.cells[(y * ROWS).astype(int), (x * COLUMNS).astype(int)] = True
        box = np.concatenate([xy.min(axis=0), xy.max(axis=0)])
        if len(places) >= LEAST_CORNERS and np.abs(box - self.counted).max() > MOVED:
            self.counted, self.fresh = box, True
            self.views += 1


class Coverage:
    """Searches the cameras' newest frames for the board; ConfigError if the board file is missing."""

    def __init__(self, board: Path, cameras: list[str]) -> None:
        if not board.is_file():
            raise ConfigError(f"{board}: no such board file; `multiview calibrate board` writes one")
        self.cameras = cameras
        self._seen = {name: Seen() for name in cameras}
        self._shared: Counter[frozenset[str]] = Counter()
        self._note = ""
        self._searched: dict[str, int] = {}  # when the newest frame of each camera was taken that is searched
        self._next_s = 0.0
        self._asked = False
        self._done = dict.fromkeys(cameras, -1)  # when the newest frame was taken of which the search has ended
        self._rounds: queue.Queue[dict[str, VideoFrame] | None] = queue.Queue(1)
        command = [sys.executable, "-m", "multiview", "calibrate", "watch", "--board", str(board)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._thread = threading.Thread(target=self._run, name="coverage", daemon=True)
        self._thread.start()

    def show(self, frames: dict[str, VideoFrame | None]) -> None:
        """Search these simultaneous frames, unless the search of the previous ones is still running.

        A frame is searched once, or a camera that stands still would soon have seen enough boards.
        """
        self._asked = True
        if self._process.poll() is not None:
            raise ConfigError(self._last_line())
        new = {
            name: frame
            for name, frame in frames.items()
            if frame is not None and frame.time_ns != self._searched.get(name)
        }
        there = sum(frame is not None for frame in frames.values())
        if not new or (len(new) < there and time.monotonic() < self._next_s):
            return  # cameras that are late may still come
        with suppress(queue.Full):
            self._rounds.put_nowait(new)
            self._searched |= {name: frame.time_ns for name, frame in new.items()}
            self._next_s = time.monotonic() + LATE_S

    def has_searched(self, time_ns: int) -> bool:
        """Whether every camera's frame of a time has been searched; so it is before any is to be."""
        return not self._asked or all(done >= time_ns for done in self._done.values())

    def advice(self, camera: str) -> tuple[str, str, str]:
        """Corners in the newest image, share of the image covered so far, and what to do next."""
        seen = self._seen[camera]
        share = float(seen.cells.mean())
        if seen.views == 0:
            return "-", "0 %", "show the board"
        next_step = f"board {self._emptiest(seen)}" if share < ENOUGH_CELLS else ""
        if not next_step and seen.views < ENOUGH_VIEWS:
            next_step = "tilt the board more"
        return str(seen.corners or "-"), f"{100 * share:.0f} %", next_step or "covered"

    def linked(self) -> str:
        """Say which cameras have observed the board together often enough to be calibrated as one rig, and what is
        unlike the board file."""
        return f"{self._links()}\nNote: {self._note}" if self._note else self._links()

    def of(self, camera: str) -> Seen:
        """What one camera has seen of the board."""
        return self._seen[camera]

    def pairs(self) -> list[tuple[str, str, int]]:
        """Every two cameras, and how many boards both have seen at one moment."""
        return [(a, b, self._shared[frozenset((a, b))]) for a, b in combinations(self.cameras, 2)]

    def lacks(self) -> str:
        """What is missing before there is anything to solve; empty if nothing is."""
        few = {name: seen.views for name, seen in self._seen.items() if seen.views < LEAST_VIEWS}
        if few:
            return ", ".join(f"{name} has {views} of {LEAST_VIEWS} boards" for name, views in few.items())
        return "" if self.all_linked else self._links()

    @property
    def all_linked(self) -> bool:
        """Whether all cameras hang together by boards that two of them have seen."""
        return len(self._groups()) == 1

    def _groups(self) -> list[set[str]]:
        groups = [{name} for name in self.cameras]
        for a, b in combinations(self.cameras, 2):
            if self._shared[frozenset((a, b))] >= ENOUGH_SHARED:
                first, second = (next(group for group in groups if name in group) for name in (a, b))
                if first is not second:
                    groups.remove(second)
                    first |= second
        return groups

    def _links(self) -> str:
        groups = self._groups()
        if len(groups) == 1:
            return "all cameras are linked: they have observed the board together"
        words = " | ".join(" ".join(sorted(group)) for group in groups)
        return f"not linked yet: {words}\nhold the board where cameras of two groups can see it together"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(queue.Full):
            self._rounds.put_nowait(None)
        self._thread.join(2.0)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    def note(self, corners: dict[str, list[tuple[float, float]]]) -> None:
        """Where each camera saw corners at one moment, as parts of its picture's width and height."""
        for name, places in corners.items():
            self._seen[name].note(places)
        shown = sorted(name for name, places in corners.items() if len(places) >= LEAST_CORNERS)
        for a, b in combinations(shown, 2):
            self._shared[frozenset((a, b))] += self._seen[a].fresh or self._seen[b].fresh

    def _run(self) -> None:
        """Round after round through the other process, until it ends."""
        with suppress(BrokenPipeError, json.JSONDecodeError):
            while (frames := self._rounds.get()) is not None:
                self.note({name: self._find_corners(name, frame) for name, frame in frames.items()})
                self._done |= {name: frame.time_ns for name, frame in frames.items()}

    def _find_corners(self, name: str, frame: VideoFrame) -> list[tuple[float, float]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        height, width = frame.image.shape[:2]
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        if width > WIDTH:
            height, width = round(WIDTH * height / width), WIDTH
            grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        header = json.dumps({"camera": name, "width": width, "height": height})
        self._process.stdin.write(header.encode() + b"\n" + grey.tobytes())
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self._note = answer.get("note", "")
        corners: list[tuple[float, float]] = answer["corners"]
        return corners

    def _last_line(self) -> str:
        assert self._process.stderr is not None
        words = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return (
            words[-1].removeprefix("multiview: ")
            if words
            else "the board detection process has ended: start capture again"
        )

    @staticmethod
    def _emptiest(seen: Seen) -> str:
        """The third of the picture, across and down, that is covered least."""
        thirds = [np.array_split(part, 3, axis=1) for part in np.array_split(seen.cells, 3, axis=0)]
        shares = np.array([[cells.mean() for cells in row] for row in thirds])
        row, column = np.unravel_index(int(shares.argmin()), shares.shape)
        return PLACES[row][column]
