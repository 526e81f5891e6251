"""A source read in a thread of its own, so that decoding a picture and looking at the last one go on at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Literal, Protocol, runtime_checkable

from multiview.common.blocked_threads import join
from multiview.data import VideoFrame
from multiview.sources._source import FrameSource

__all__ = ["Policy", "Reader", "Selection"]

Policy = Literal["newest", "every"]
ARRIVALS, FEW_ARRIVALS = 60, 10  # whose rate counts; fewer tell none
MARGIN_FRAMES = 2  # pictures are unpacked so many frames before they are likely to be wanted


@runtime_checkable
class Selection(Protocol):
    """Which frames are of use to a reader's user who cannot take them all."""

    @property
    def active(self) -> bool:
        """While False, every frame is."""
        ...

    def takes(self, frame: VideoFrame) -> bool:
        """Whether this frame is of use."""
        ...

    def passes(self, frame: VideoFrame) -> int:
        """How many frames after this one are of no use for certain."""
        ...


class Reader:
    """Frames of a source, ahead of their use.

    `every` waits when `ahead` frames are waiting, and drops none; `newest` keeps only the last, and counts the others
    in `dropped`. Where the user is slower than the source, images that will be dropped are not even unpacked. A
    `selection` names the frames that are of use, so that readers of several cameras can agree on them. Leave with
    `close`, or use as a context.
    """

    def __init__(
        self, source: FrameSource, policy: Policy = "every", ahead: int = 4, selection: Selection | None = None
    ) -> None:
        self.source, self.policy, self._selection = source, policy, selection
        self._dropped = 0
        self._ahead = 1 if policy == "newest" else ahead
        self._waiting: deque[VideoFrame] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = self._wanted = False
        self._taken_s = self._interval_s = 0.0  # when the last frame was taken, and how long after the one before
        self._error: BaseException | None = None
        self._asked_s = 0.0  # when the source was asked for a frame that it has not given yet; 0: it was not
        self._arrived_s: deque[float] = deque(maxlen=ARRIVALS)
        self._thread = threading.Thread(target=self._run, name=f"decode {source.name}", daemon=True)
        self._thread.start()

    def read(self, timeout_s: float | None = None) -> VideoFrame | None:
        """The next frame; None at the end, or when none came in time (`ended` tells). Raises what the source did."""
        with self._changed:
            self._wanted = True
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout_s)
            if self._waiting:
                frame = self._waiting.popleft()
                now = time.monotonic()
                self._interval_s = now - self._taken_s if self._taken_s else 0.0
                self._taken_s, self._wanted = now, False
                self._changed.notify_all()
                return frame
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    @property
    def dropped(self) -> int:
        """Frames that were never read from here."""
        return self._dropped + int(getattr(self.source, "dropped", 0))

    @property
    def rate_hz(self) -> float:
        """At which a live source gives frames, whatever it says of itself; 0 while that is not known."""
        arrived_s = list(self._arrived_s)
        if len(arrived_s) < FEW_ARRIVALS or arrived_s[-1] <= arrived_s[0]:
            return 0.0
        return (len(arrived_s) - 1) / (arrived_s[-1] - arrived_s[0])

    @property
    def waiting_s(self) -> float:
        """How long the source has been asked for a frame that it has not given, s."""
        asked_s = self._asked_s
        return time.monotonic() - asked_s if asked_s else 0.0

    @property
    def ended(self) -> bool:
        """No frame waits and none will come."""
        with self._changed:
            return self._ended and not self._waiting and self._error is None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        join(self._thread, 5.0)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        to_pass = 0
        try:
            while not self._closed:
                self._asked_s = time.monotonic()
                if to_pass or self._will_be_replaced():
                    if not self.source.skip():
                        break
                    self._arrived_s.append(time.monotonic())
                    self._dropped += 1
                    to_pass = max(0, to_pass - 1)
                    continue
                frame = self.source.read()
                self._asked_s = 0.0
                if frame is None:
                    break
                self._arrived_s.append(time.monotonic())
                if self._selection is not None and self._selection.active:
                    to_pass = self._selection.passes(frame)
                    if not self._selection.takes(frame):
                        self._dropped += 1
                        continue
                with self._changed:
                    if self.policy == "newest" and self._waiting:
                        self._waiting.clear()
                        self._dropped += 1
                    self._changed.wait_for(lambda: len(self._waiting) < self._ahead or self._closed)
                    if self._closed:
                        break
                    self._waiting.append(frame)
                    self._changed.notify_all()
        except Exception as error:
            self._error = error
        finally:
            self._asked_s = 0.0
            self.source.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _will_be_replaced(self) -> bool:
        """Whether a newer frame will replace the next one before the next `read`, expected from the last two."""
        if self.policy == "every" or self._wanted or not self.source.fps:
            return False
        if self._selection is not None and self._selection.active:
            return False
        back_s = self._taken_s + self._interval_s
        return time.monotonic() < back_s - MARGIN_FRAMES / self.source.fps
