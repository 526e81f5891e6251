"""What every source of frames has."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from multiview.data import FrameNumber, VideoFrame


@runtime_checkable
class Seekable(Protocol):
    """A source that can leave frames out without decoding them."""

    def seek(self, frame: FrameNumber) -> bool:
        """Go on with this frame; False where that is not possible: then it goes on from its beginning."""
        ...


@runtime_checkable
class FrameSource(Protocol):
    """One camera's frames in order; `read`, `skip` and `close` are called from one thread.

    Attributes:
        name: The camera's.
        live: True for a camera or stream, where waiting loses frames; False for a file, which waits.
        frames: How many there are; 0 if unknown.
        fps: Nominal frame rate; 0.0 if unknown.
        size: Width and height of the frames, px.

    A live camera may also have `trouble`, why no frame comes just now, and `patience_s`, the longest that `read` may
    take (default: 10 s; after that its process is started again).
    """

    name: str
    live: bool  # a camera or stream, where waiting loses frames; else a file, which waits
    frames: int  # how many there are; 0 if unknown
    fps: float  # nominal; 0.0 if unknown
    size: tuple[int, int]  # width, height of the frames

    def read(self) -> VideoFrame | None:
        """The next frame.

        Returns:
            None at the end.

        Raises:
            SourceError: The source broke off.
        """
        ...

    def skip(self) -> bool:
        """Pass over the next frame, which costs less than reading it.

        Returns:
            False at the end.

        Raises:
            SourceError: The source broke off.
        """
        ...

    def close(self) -> None:
        """Let go of the camera or file."""
        ...
