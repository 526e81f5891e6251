"""Video files and network streams, read with PyAV: every frame, when it is shown, and its picture the right way up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from multiview.errors import SourceError
from multiview.sources._frame_filters import Deinterlacer, Unpacker
from multiview.sources._hardware import open_container

if TYPE_CHECKING:
    import av

__all__ = ["VideoReader", "decoding_threads"]

SEEK_MARGIN_S = 1.0  # frames just after a key frame may need some from before it
KEY_FRAME_S = 50.0  # the longest wait for a live stream's first picture
MOST_THREADS = 8  # more decode no faster, and each keeps frames in memory
STAMPED_IN_ORDER = ("avi",)  # containers that count frames as they are stored, and so as they come out of the decoder
WITHOUT_RATE = ("mpjpeg",)  # pictures one after the other over HTTP: FFmpeg makes up 25 a second
TORN_SHARE = 0.02  # a container's own count of frames is often off by one or two; more is a torn file
USUAL_FPS, MAX_RATE = 25.0, 1000.0  # Hz; a rate that is higher is the unit of time
MAX_RATE_RATIO = 2.0  # of the rate that a container's units suggest to the frames per second that there are


def decoding_threads(videos: int = 1) -> int:
    """Threads to decode each of several videos that are read at once.

    A single one may use every core, or as many as MULTIVIEW_CORES says: those of a batch's job. Several leave one core
    to whoever looks at their pictures.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if (told := os.environ.get("MULTIVIEW_CORES", "")).isdigit():
        usable = min(usable, int(told))
    return max(1, min(MOST_THREADS, usable if videos <= 1 else (usable - 1) // videos))


class VideoReader:
    """The frames of a file or a stream: `grab` decodes the next one, `image` unpacks its picture.

    Attributes:
        fps: Nominal rate, Hz; 0: unknown.
        frames: How many the container promises; 0: unknown.
        size: Width and height of the upright pictures, px; (0, 0) of a stream that has not shown one.
        unit_s: To which its stamps are rounded, s.
        codec: Its name.
        stamp_s: When the last frame is shown, s on the container's time line; None where that does not say.
        interlaced: Whether a frame consisted of two fields, of which one picture is made.
        packets: Received; while no picture comes of them, a stream waits for a key frame.
        damaged: Packets that could not be decoded.
        error: Why it ended, if not by its end.
    """

    def __init__(
        self,
        address: str,
        options: dict[str, str] | None = None,
        timeouts_s: tuple[float, float] | None = None,
        threads: int = 0,
        hardware: str = "",
    ) -> None:
        """Open it.

        Args:
            address: A file, as `file:PATH`, or a stream.
            options: Of FFmpeg's demuxer and protocol. With options it is a live stream: latency counts, not throughput.
            timeouts_s: To open it, and the longest silence while reading.
            threads: To decode a file; 0: one per core.
            hardware: What decodes it, as `open_container` takes it.

        Raises:
            SourceError: It cannot be opened, or has no video; the message says why, without the address.
        """
        import av

        self._container: av.container.InputContainer | None = None
        try:
            self._container = open_container(address, options, timeouts_s, hardware)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(_reason(error)) from None
        try:
            self._stream = _video_stream(self._container)
        except SourceError:
            self.close()
            raise
        codec = self._stream.codec_context
        if codec.is_hwaccel:
            codec.thread_count = 1
        elif options is None:
            codec.thread_type, codec.thread_count = "AUTO", threads or decoding_threads()
        else:
            codec.flags |= av.codec.context.Flags.low_delay
        self._is_live = options is not None
        self._in_order = self._container.format.name in STAMPED_IN_ORDER
        self.fps = 0.0 if self._container.format.name in WITHOUT_RATE else _rate(self._stream)
        duration_s, self._ends_s = _length(self._container, self._stream)
        by_duration = round(duration_s * float(self._stream.average_rate or self.fps)) if self.fps else 0
        self._promised = _promised(self._container, self._stream, by_duration)
        self.frames = self._promised or max(0, by_duration)
        self.size = (codec.width, codec.height)
        self.unit_s = float(self._stream.time_base or 0)
        self.codec = codec.name
        self.stamp_s: float | None = None
        self._first_s: float | None = None
        self._last_s: float | None = None
        self.interlaced = False
        self.packets = self.damaged = 0
        self.error = ""
        self._unpack = Unpacker()
        self._frames = self._progressive()
        self._frame: av.VideoFrame | None = None

    def grab(self) -> bool:
        """Decode the next frame; False at the end, and after an error."""
        import av

        try:
            self._frame = next(self._frames, None)
        except (av.FFmpegError, OSError) as error:
            self._frame, self.error = None, _reason(error)
        if self._frame is None:
            return False
        stamp = self._frame.dts if self._in_order else self._frame.pts
        self.stamp_s = None if stamp is None else float(stamp * (self._frame.time_base or 0))
        if self.stamp_s is not None:
            self._first_s = self.stamp_s if self._first_s is None else self._first_s
            self._last_s = max(self.stamp_s, self._last_s or self.stamp_s)
        return True

    def stamps(self) -> list[int]:
        """Of every frame of a file, in the order in which they are shown, read without decoding; spoils `grab`.

        Empty where packets do not say it.
        """
        assert self._container is not None
        packets = (packet for packet in self._container.demux(self._stream) if packet.size and not packet.is_discard)
        found = [packet.dts if self._in_order else packet.pts for packet in packets]
        return sorted(stamp for stamp in found if stamp is not None) if None not in found else []

    def seek(self, stamp: int, first: int) -> bool:
        """Let `grab` give the frame with this stamp next; False where it does not come, which spoils `grab`.

        `first` is the stamp of the first frame.
        """
        import av

        assert self._container is not None
        margin = round(SEEK_MARGIN_S / float(self._stream.time_base or 1))
        try:
            self._container.seek(max(stamp - margin, self._stream.start_time or 0), stream=self._stream)
        except (av.FFmpegError, OSError):
            return False
        for frame in (coming := self._decoded()):
            at = frame.dts if self._in_order else frame.pts
            if frame.interlaced_frame or at is None or at > stamp:
                return False
            if at == stamp:
                self._frames, self._first_s = chain([frame], coming), float(first * (frame.time_base or 0))
                return True
        return False

    def image(self) -> UInt8[np.ndarray, "H W 3"]:
        """The BGR picture of the last frame, upright; SourceError where its format cannot be unpacked."""
        import av

        assert self._frame is not None, "grab a frame first"
        try:
            return self._unpack(self._frame)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"a picture in {self._frame.format.name} cannot be unpacked: {_reason(error)}") from None

    def torn(self, frames: int) -> bool:
        """Whether it has ended before the frames or the time that its container promises.

        Args:
            frames: How many there were.
        """
        if self._promised:
            return frames < self._promised * (1 - TORN_SHARE) - 2
        if not self._ends_s or self._first_s is None or self._last_s is None:
            return False
        return self._last_s - self._first_s < self._ends_s * (1 - TORN_SHARE) - 3 / (self.fps or USUAL_FPS)

    def close(self) -> None:
        self._frame = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _progressive(self) -> Iterator[av.VideoFrame]:
        """Frames of one instant each: from the first interlaced one on, their fields are made one picture."""
        deinterlace: Deinterlacer | None = None
        for frame in self._decoded():
            if deinterlace is None and not frame.interlaced_frame:
                yield frame
                continue
            self.interlaced = True
            deinterlace = deinterlace or Deinterlacer(frame)
            yield from deinterlace(frame)
        if deinterlace is not None:
            yield from deinterlace(None)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        import av

        assert self._container is not None
        began, has_frame = time.monotonic(), False
        for packet in self._container.demux(self._stream):
            self.packets += 1
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:  # a damaged packet, or one that refers to what came before the start
                frames, self.damaged = [], self.damaged + 1
            has_frame = has_frame or bool(frames)
            if self._is_live and not has_frame and time.monotonic() > began + KEY_FRAME_S:
                self.error = f"no key frame came in {KEY_FRAME_S:.0f} s"
                return
            yield from frames


def _video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The one to read: not the picture on the cover of a sound recording."""
    import av

    cover = av.stream.Disposition.attached_pic
    films = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not films:
        raise SourceError("it has no video")
    best = container.streams.best("video")
    stream = best if isinstance(best, av.VideoStream) and best in films else films[0]
    if not stream.codec_context:
        raise SourceError("its codec is missing here")
    return stream


def _rate(stream: av.VideoStream) -> float:
    """Nominal: of the units of time, unless there are far fewer frames than those suggest; 0: unknown."""
    nominal, mean = float(stream.guessed_rate or 0), float(stream.average_rate or 0)
    rate = mean if mean and not mean / MAX_RATE_RATIO < nominal < mean * MAX_RATE_RATIO else nominal
    return rate if rate <= MAX_RATE else 0.0


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[float, float]:
    """How long a container says that it lasts, and that this stream does, s; 0: it does not say."""
    own_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    if not own_s and len(parts := stream.metadata.get("DURATION", "").split(":")) == 3:  # Matroska's
        with suppress(ValueError):
            own_s = 3600 * int(parts[0]) + 60 * int(parts[1]) + float(parts[2])
    whole_s = (container.duration or 0) / 1e6
    return own_s or whole_s, own_s or (whole_s if len(container.streams) == 1 else 0.0)


def _promised(container: av.container.InputContainer, stream: av.VideoStream, by_duration: int) -> int:
    """How many frames the index has; an edit list may show fewer of them. 0: there is none."""
    if stream.frames and by_duration and "mov" in container.format.name:
        return min(stream.frames, by_duration)
    return stream.frames


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
