"""What every source of frames has."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from multiview.data import VideoFrame


@runtime_checkable
class FrameSource(Protocol):
    """One camera's frames in order; `read`, `skip` and `close` are called from one thread."""

    name: str
    live: bool  # a camera or stream, where waiting loses frames; else a file, which waits
    frames: int  # how many there are; 0 if unknown
    fps: float  # nominal; 0.0 if unknown
    size: tuple[int, int]  # width, height of the frames

    def read(self) -> VideoFrame | None:
        """The next frame; None at the end. SourceError if it broke off."""
        ...

    def skip(self) -> bool:
        """Pass over the next frame, which costs less than reading it; False at the end. SourceError as `read`."""
        ...

    def close(self) -> None: ...
