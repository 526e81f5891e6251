"""A camera read in a process of its own, so that one that blocks in its driver, or crashes there, stops no other.

The cameras of a shared worker are read so: a thread that hangs in a driver cannot be ended, and the driver lets nobody
else open the camera meanwhile. The process is killed and started again, with growing pauses, for as long as it takes.
Pictures come through shared memory.
"""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple

import numpy as np

from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.errors import MultiviewError, SourceError
from multiview.sources import FrameSource
from services.runtime.restarts import Restarts

__all__ = ["OPEN_S", "PATIENCE_S", "CameraProcess"]

PATIENCE_S = 10.0  # the longest that `read` of a live camera may take, where its source names no `patience_s`
OPEN_S = 90.0  # the longest that a camera may take to open: a stream waits for its first key frame
LOOK_S = 0.2  # how often whoever waits looks whether it has to
SAY_AGAIN_S = 60.0  # what is said already
KILL_S = 1.0


class _Opened(NamedTuple):
    """What a source is."""

    live: bool
    frames: int
    fps: float
    size: tuple[int, int]
    patience_s: float


class _Trouble(NamedTuple):
    """Why no frame comes just now."""

    text: str


class _Failed(NamedTuple):
    """Why the camera cannot be opened, or broke off."""

    text: str


class _Picture(NamedTuple):
    """A frame whose picture lies in the shared memory, where it `fits`; `number` is -1 of one that was passed over."""

    shape: tuple[int, ...]
    number: int
    time_ns: int
    trigger: int
    fits: bool


class _Asked(NamedTuple):
    """What a source is asked for: its next picture, in the shared memory of this name, or to pass over it."""

    memory: str = ""
    skip: bool = False


class CameraProcess:
    """A source that a process of its own reads; it is live until it says otherwise.

    Attributes:
        trouble: Why no frame comes just now.
        patience_s: Infinite: whoever blocks is ended here.
    """

    patience_s = math.inf

    def __init__(
        self,
        open_source: Callable[[], FrameSource],
        name: str,
        size: tuple[int, int],
        fps: float,
        patience_s: float = PATIENCE_S,
        open_s: float = OPEN_S,
    ) -> None:
        """Begin to open it.

        Args:
            open_source: Opens it; a function that can be pickled.
            name: The camera's.
            size: Of its pictures, px, as far as is known before it is open.
            fps: Its rate, Hz, likewise.
            patience_s: The longest that it may take to read a frame, where it names none itself.
            open_s: The longest that it may take to open.
        """
        self._open_source, self.name, self._open_s = open_source, name, open_s
        self.live, self.frames, self.fps, self.size = True, 0, fps, size
        self._read_s = patience_s
        self.trouble = ""
        self.is_open = False
        self._closed = threading.Event()
        self._restarts, self._said_s = Restarts(), -math.inf
        self._memory: SharedMemory | None = None
        self._first_index = self._index = 0
        self._process: SpawnProcess | None = None
        self._start()

    @property
    def failed(self) -> bool:
        """Whether it was closed, and has not been tried again."""
        return self._process is None

    def wait_open(self, timeout_s: float) -> bool:
        """Whether it is open within this time; `trouble` says why not. Before the first `read` only."""
        try:
            if self._connection.poll(max(0.0, timeout_s)):
                self._await_open(LOOK_S)
            else:
                self.trouble = "it has not opened yet"
        except SourceError as error:
            self._begin_again(str(error))
        return self.is_open

    def read(self) -> VideoFrame | None:
        """The next frame, however long it takes; None at the end, and after `stop`."""
        reply = self._ask(skip=False)
        if reply is None:
            return None
        memory = self._memory
        assert memory is not None
        image = np.ndarray(reply.shape, np.uint8, memory.buf).copy()
        return VideoFrame(image, FrameNumber(self._index), TimeNs(reply.time_ns), self.name, reply.trigger)

    def skip(self) -> bool:
        """Pass over the next frame; False at the end, and after `stop`."""
        return self._ask(skip=True) is not None

    def stop(self) -> None:
        """Let `read` give None, at once; from another thread."""
        self._closed.set()

    def close(self) -> None:
        """Let go of the camera."""
        self._closed.set()
        self._end(KILL_S)
        if self._memory is not None:
            self._memory.close()
            self._memory.unlink()
            self._memory = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(self._open_source, theirs, self._read_s), name=self.name, daemon=True
        )
        self._process.start()
        theirs.close()
        self._started_s, self.is_open = time.monotonic(), False

    def _end(self, patience_s: float = 0.0) -> None:
        """Close it, and kill it where it does not end by itself."""
        process, self._process = self._process, None
        if process is None:
            return
        self._connection.close()
        process.join(patience_s)
        if process.exitcode is None:
            process.kill()
            process.join(KILL_S)  # one that waits for a dead device dies when it can

    def _ask(self, skip: bool) -> _Picture | None:
        """The reply of a camera that is there, which is waited for; None at its end, and once this is closed."""
        while not self._closed.is_set():
            try:
                if self._process is None:
                    self._start()
                self._await_open(self._started_s + self._open_s - time.monotonic())
                reply = self._exchange(skip)
            except SourceError as error:
                self._begin_again(str(error))
                continue
            self.trouble = ""
            if reply is not None and reply.number >= 0:
                self._index = self._first_index + reply.number
            return reply
        return None

    def _exchange(self, skip: bool) -> _Picture | None:
        self._send(_Asked(self._memory.name if self._memory is not None else "", skip))
        reply = self._receive(self._read_s)
        if isinstance(reply, _Picture) and not reply.fits:
            self._make_room(math.prod(reply.shape))
            assert self._memory is not None
            self._send(_Asked(self._memory.name))
            reply = self._receive(self._read_s)
        return reply if isinstance(reply, _Picture) else None

    def _make_room(self, size: int) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory.unlink()
        self._memory = SharedMemory(create=True, size=size)

    def _await_open(self, timeout_s: float) -> None:
        if self.is_open:
            return
        opened = self._receive(timeout_s)
        assert isinstance(opened, _Opened)
        self.live, self.frames, self.fps, self.size, self._read_s = opened
        self.is_open = True

    def _send(self, asked: _Asked) -> None:
        try:
            self._connection.send(asked)
        except OSError:
            raise SourceError(self._death()) from None

    def _receive(self, timeout_s: float) -> object:
        """The next message; SourceError if none comes in time, if it died, and for its own."""
        end = time.monotonic() + timeout_s
        try:
            while not self._closed.is_set():
                left_s = end - time.monotonic()
                if not self._connection.poll(max(0.0, min(left_s, LOOK_S))):
                    if left_s <= 0:
                        doing = "reading" if self.is_open else "opening"
                        raise SourceError(f"{doing} it blocked for {timeout_s:.0f} s: it is killed and opened again")
                    continue
                message = self._connection.recv()
                if isinstance(message, _Failed):
                    raise SourceError(message.text)
                if not isinstance(message, _Trouble):
                    return message
                self.trouble = message.text
        except (EOFError, OSError):
            raise SourceError(self._death()) from None
        raise SourceError("it is closed")

    def _death(self) -> str:
        process = self._process
        if process is None:
            return "its process has ended"
        process.join(KILL_S)
        return f"its process has died (exit status {process.exitcode})"

    def _begin_again(self, reason: str) -> None:
        """End it, say why, and start it after a pause, unless this is closed."""
        if self._closed.is_set():
            return
        started_s, was_open = self._started_s, self.is_open
        self._end()
        now = time.monotonic()
        due_s = self._restarts.died(started_s, now, cannot_start=not was_open)
        if reason != self.trouble or now - self._said_s > SAY_AGAIN_S:
            self._said_s = now
            logging.warning("%s: %s", self.name, reason)
        self.trouble = reason
        self._first_index = self._index + 1 if was_open else self._first_index
        self._closed.wait(max(0.0, due_s - now))


def _serve(open_source: Callable[[], FrameSource], requests: connection.Connection, patience_s: float) -> None:
    """In its own process: open a camera, and give what is asked for until nobody asks."""
    for number in {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}:
        signal.signal(number, signal.SIG_IGN)  # of a terminal: its worker says when it ends
    telling = threading.Lock()

    def tell(message: object) -> None:
        with telling:
            requests.send(message)

    seen: list[FrameSource] = []
    threading.Thread(target=_watch, args=(seen, tell), name="watch", daemon=True).start()
    try:
        source = open_source()
        seen.append(source)
        try:
            tell(
                _Opened(source.live, source.frames, source.fps, source.size, getattr(source, "patience_s", patience_s))
            )
            _give(source, requests, tell)
        finally:
            source.close()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody asks
    except MultiviewError as error:
        with contextlib.suppress(OSError):
            tell(_Failed(str(error)))
    except Exception as error:  # of a driver, or of somebody's own source
        with contextlib.suppress(OSError):
            tell(_Failed(f"{type(error).__name__}: {error}"))


def _give(source: FrameSource, requests: connection.Connection, tell: Callable[[object], None]) -> None:
    """Reply until nobody asks."""
    memory: SharedMemory | None = None
    waiting: VideoFrame | None = None  # for memory that it fits in
    while True:
        asked = requests.recv()
        if asked.skip:
            there = source.skip()
            tell(_Picture((), -1, 0, -1, True) if there else None)
            continue
        frame = waiting if waiting is not None else source.read()
        if frame is None:
            tell(None)
            continue
        if asked.memory and (memory is None or memory.name != asked.memory):
            if memory is not None:
                memory.close()
            memory = SharedMemory(asked.memory)
        fits = memory is not None and memory.size >= frame.image.nbytes
        if fits:
            assert memory is not None
            np.ndarray(frame.image.shape, np.uint8, memory.buf)[:] = frame.image
        waiting = None if fits else frame
        tell(_Picture(frame.image.shape, frame.index, frame.time_ns, frame.trigger, fits))


def _watch(seen: list[FrameSource], tell: Callable[[object], None]) -> None:
    """Pass on why no frame comes just now; end with whoever asks, also out of a driver that blocks."""
    parent, said = multiprocessing.parent_process(), ""
    assert parent is not None
    while not connection.wait([parent.sentinel], LOOK_S):
        trouble = str(getattr(seen[0], "trouble", "")) if seen else ""
        if trouble != said:
            said = trouble
            with contextlib.suppress(OSError):
                tell(_Trouble(trouble))
    os._exit(1)
