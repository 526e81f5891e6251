"""Reading video with PyAV, for what OpenCV's reader cannot do: interlaced video, AV1, and waiting for a key frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import UInt8

from multiview.errors import SourceError

if TYPE_CHECKING:
    import av

__all__ = ["AvCapture", "is_interlaced"]

PROBED_FRAMES = 3
KEY_FRAME_S = 50.0  # the longest wait for a live stream's first picture
DEINTERLACE = "mode=send_frame:deint=interlaced"  # one picture per frame; what is progressive stays as it is


class AvCapture:
    """Has those methods of `cv2.VideoCapture` that sources use; interlaced frames are deinterlaced."""

    def __init__(
        self, address: str, options: dict[str, str] | None = None, timeouts_s: tuple[float, float] | None = None
    ) -> None:
        """Open it.

        Args:
            address: A file or a stream.
            options: Of FFmpeg's demuxer and protocol. With options it is a live stream: latency counts, not throughput.
            timeouts_s: To open it, and the longest silence while reading.

        Raises:
            SourceError: It cannot be opened, or has no video; the message says why, without the address.
        """
        import av

        self._container: av.container.InputContainer | None = None
        try:
            self._container = av.open(address, options=options or {}, timeout=timeouts_s)
            stream = self._container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError, ValueError) as error:
            self.release()
            reason = (
                "it has no video" if isinstance(error, IndexError) else getattr(error, "strerror", None) or str(error)
            )
            raise SourceError(reason) from None
        if not stream.codec_context:  # a codec that this FFmpeg does not have
            self.release()
            raise SourceError("its codec is missing here")
        if options is None:
            stream.thread_type = "AUTO"
        else:
            stream.codec_context.flags |= av.codec.context.Flags.low_delay
        self._stream, self._is_live = stream, options is not None
        self._frames = self._decoded()
        self._frame: av.VideoFrame | None = None
        self.packets = 0  # received; while no picture comes of them, the stream waits for a key frame
        self.error = ""  # why it ended, if not by its end

    def isOpened(self) -> bool:
        return self._container is not None

    def grab(self) -> bool:
        """Decode the next frame; False at the end, and after an error."""
        import av

        try:
            self._frame = next(self._frames, None)
        except (av.FFmpegError, OSError) as error:
            self._frame, self.error = None, getattr(error, "strerror", None) or str(error)
        return self._frame is not None

    def retrieve(self) -> tuple[bool, UInt8[np.ndarray, "H W 3"] | None]:
        """The picture of the last frame, upright."""
        if self._frame is None:
            return False, None
        image = self._frame.to_ndarray(format="bgr24")
        quarters = round(self._frame.rotation / 90) % 4
        return True, np.ascontiguousarray(np.rot90(image, quarters)).astype(np.uint8, copy=False)

    def read(self) -> tuple[bool, UInt8[np.ndarray, "H W 3"] | None]:
        return self.retrieve() if self.grab() else (False, None)

    def get(self, what: int) -> float:
        """As OpenCV's, of the properties that sources ask for."""
        stream, frame = self._stream, self._frame
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        if what == cv2.CAP_PROP_FPS:
            return rate
        if what == cv2.CAP_PROP_FRAME_COUNT:
            duration = float((stream.duration or 0) * (stream.time_base or 0))
            return float(stream.frames or round(duration * rate))
        if what == cv2.CAP_PROP_POS_MSEC:
            start = float((stream.start_time or 0) * (stream.time_base or 0))
            return 1e3 * (frame.time - start) if frame is not None and frame.time is not None else 0.0
        if what == cv2.CAP_PROP_FRAME_WIDTH:
            return float(stream.codec_context.width)
        if what == cv2.CAP_PROP_FRAME_HEIGHT:
            return float(stream.codec_context.height)
        if what == cv2.CAP_PROP_FOURCC:
            name = stream.codec_context.name[:4].ljust(4)
            return float(sum(ord(letter) << 8 * place for place, letter in enumerate(name)))
        return 0.0

    def release(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def _decoded(self) -> Iterator[av.VideoFrame]:
        graph: av.filter.Graph | None = None
        for frame in self._frames_of_packets():
            if graph is None and not frame.interlaced_frame:
                yield frame
                continue
            if graph is None:
                graph = _deinterlacer(frame, self._stream.time_base or Fraction(1, 90_000))
            graph.push(frame)
            yield from _pulled(graph)
        if graph is not None:
            graph.push(None)
            yield from _pulled(graph)

    def _frames_of_packets(self) -> Iterator[av.VideoFrame]:
        import av

        assert self._container is not None
        began, has_frame = time.monotonic(), False
        for packet in self._container.demux(self._stream):
            self.packets += 1
            try:
                frames = [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
            except av.error.InvalidDataError:  # a damaged packet, or one that refers to what came before the start
                frames = []
            has_frame = has_frame or bool(frames)
            if self._is_live and not has_frame and time.monotonic() > began + KEY_FRAME_S:
                self.error = f"no key frame came in {KEY_FRAME_S:.0f} s"
                return
            yield from frames


def is_interlaced(path: str) -> bool:
    """Whether one of a file's first frames consists of two fields, which OpenCV gives as black pictures."""
    import av

    try:
        with av.open(path) as container:
            frames = container.decode(video=0)
            return any(frame.interlaced_frame for _, frame in zip(range(PROBED_FRAMES), frames, strict=False))
    except (av.FFmpegError, OSError, IndexError, ValueError):
        return False  # whoever opens it says what is wrong


def _deinterlacer(frame: av.VideoFrame, time_base: Fraction) -> av.filter.Graph:
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    filtering, sink = graph.add("yadif", DEINTERLACE), graph.add("buffersink")
    source.link_to(filtering)
    filtering.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    import av

    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, av.VideoFrame):
            yield frame
