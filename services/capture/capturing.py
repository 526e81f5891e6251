"""One capture from its first camera to its finished take, for whoever shows it: a table, or a program's pages."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from multiview.errors import SourceError
from multiview.recordings.take import Take, discard_take, finish_take
from multiview.recordings.take_lock import TakeLock
from multiview.studio.config import Studio
from multiview.studio.derived import camera_names
from services.capture.captured import CapturedCamera, new_capture, open_cameras, record_counts, start_together
from services.capture.coverage import Coverage
from services.capture.disk_speed import disk_speed, needed_speed, speed_warning

__all__ = ["Capture", "capturing"]

PARTLY = 3  # exit status: something of what came was lost


@dataclass(slots=True)
class Capture:
    """Cameras that are open, and what they are recorded into.

    Attributes:
        cameras: In the studio's order.
        coverage: Of the board, where one is filmed.
        take: None where nothing is recorded.
    """

    cameras: list[CapturedCamera] = field(default_factory=list)
    coverage: Coverage | None = None
    take: Take | None = None

    def finish(self) -> Take | None:
        """Finish the take, after the cameras are closed; None if there is none, or no camera gave anything."""
        if self.take is None or not self.take.folder.is_dir():
            return None
        try:
            record_counts(self.cameras, self.take)
        except OSError as error:  # a full disk, on which the videos are
            _say(f"the counts of frames cannot be written: {error.strerror}")
        return finish_take(self.take)

    def status(self) -> int:
        """Say what is not in the videos; the exit status: 3 if anything, else 0. SourceError if a camera failed."""
        losses = [f"{camera.name}: {loss}" for camera in self.cameras for loss in camera.losses()]
        for loss in losses:
            _say(loss)
        if failed := [f"{camera.name}: {camera.error}" for camera in self.cameras if camera.error]:
            raise SourceError("; ".join(failed))
        return PARTLY if losses else 0


@contextlib.contextmanager
def capturing(
    studio: Studio,
    board: Path | None = None,
    name: str | None = None,
    notes: str = "",
    lossless: bool = False,
    warn: Callable[[str], None] = lambda warning: None,
) -> Iterator[Capture]:
    """Open the cameras, and record them; however it ends, they are closed and their videos whole.

    Args:
        studio: Whose cameras.
        board: A board file: also see what the cameras have seen of the board.
        name: Of the take; empty: the studio's, with the time. None records nothing.
        notes: To keep with it.
        lossless: Every pixel is kept as it is.
        warn: Told when the disk is slow, before recording begins.
    """
    capture, lock = Capture(), None
    try:
        capture.coverage = Coverage(board, camera_names(studio)) if board else None
        capture.cameras = open_cameras(studio, board, capture.coverage.has_searched if capture.coverage else None)
        if name is not None:
            capture.take = new_capture(studio, name, notes)
            lock = TakeLock(capture.take.folder)
            sizes = [(camera.camera.size, camera.camera.fps) for camera in capture.cameras]
            speed = disk_speed(capture.take.folder)
            if warning := speed_warning(speed, needed_speed(sizes, lossless), lossless):
                warn(warning)
            start_together(capture.cameras, capture.take, lossless)
        yield capture
    finally:
        for camera in capture.cameras:
            camera.close()
        if capture.coverage is not None:
            capture.coverage.close()
        if lock is not None:
            lock.release()
        if capture.take is not None:
            discard_take(capture.take)  # where no camera gave anything


def _say(words: str) -> None:
    print(f"multiview: {words}", file=sys.stderr)
