"""Video files that play however their writing ended: H.264 in MP4, every frame in a fragment of its own."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from multiview.data import NS_PER_S
from multiview.errors import SourceError

if TYPE_CHECKING:
    import av

__all__ = ["VideoWriter", "load_encoders"]

TIME_BASE = 90_000  # units of time per second
DEFAULT_FPS = 30.0
# While it is written, each fragment says what it holds; when it is closed, the file gets the index of an ordinary MP4.
# FFmpeg ends a fragment only when the next frame comes. So a fragment holds one frame: else, of a camera that stopped,
# frames would wait in memory however long ago they came.
CONTAINER = {
    "movflags": "+hybrid_fragmented+empty_moov+default_base_moof+frag_every_frame",
    "flush_packets": "1",
}
BUFFER = 4 << 20  # bytes: a fragment goes to the disk at once, so that it is hardly ever cut
MAX_THREADS, PIXELS_PER_THREAD = 4, 1_000_000


class _Encoder(NamedTuple):
    name: str
    options: dict[str, str]  # of quality and speed, all without frames that refer to later ones
    odd_sizes: bool  # whether it encodes pictures of odd width or height
    pixels: str = "yuv420p"


# The first one that is built in and takes the size. Browsers play both.
ENCODERS = (
    _Encoder("libx264", {"preset": "superfast", "tune": "zerolatency", "crf": "20", "forced-idr": "1"}, False),
    _Encoder(
        "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "24", "b": "0"}, True
    ),
)
# Of RGB, so that no colour is rounded: every pixel comes back as it was. Programs for video play it, browsers do not.
LOSSLESS = _Encoder(
    "libx264rgb", {"preset": "ultrafast", "tune": "zerolatency", "qp": "0", "forced-idr": "1"}, True, "bgr24"
)


def load_encoders() -> None:
    """Load the library, which takes up to a second: before the instant from which on every frame is recorded."""
    import av  # noqa: F401 (slow to import, and of use to writers alone)


class VideoWriter:
    """Writes pictures to an MP4 file; all but the last one survive a killed process or a full disk.

    Use as a context, or end with `close`; after an error, end with `abandon`.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int], fps: float = DEFAULT_FPS, lossless: bool = False
    ) -> None:
        """Begin a file.

        Args:
            path: An existing file is replaced.
            size: Width and height of every picture, px.
            fps: Nominal frame rate, Hz; 0: unknown.
            lossless: Keep every pixel as it is, in ten times the space.

        Raises:
            SourceError: The file cannot be made, or no encoder is there.
        """
        import av

        self.path, self.size = Path(path), size
        self._fps = fps or DEFAULT_FPS
        self.frames = self.safe_frames = 0  # written; those of them that are in the file whatever happens
        encoder = self._encoder = _encoder_for(size, lossless)
        try:
            self._file = _File(self.path)
        except OSError as error:
            raise SourceError(f"{path}: the video cannot be written: {error.strerror or error}") from None
        self._container = av.open(self._file, "w", format="mp4", container_options=CONTAINER, buffer_size=BUFFER)
        rate = Fraction(self._fps).limit_denominator(1001)
        stream = self._container.add_stream(encoder.name, rate=rate, options=encoder.options)
        assert isinstance(stream, av.VideoStream)
        self._stream, codec = stream, stream.codec_context
        codec.width, codec.height = size
        codec.pix_fmt = encoder.pixels
        codec.time_base = Fraction(1, TIME_BASE)
        codec.gop_size = max(1, round(self._fps))  # a picture to jump to every second
        codec.thread_count = min(MAX_THREADS, 1 + size[0] * size[1] // PIXELS_PER_THREAD)
        if not lossless:
            codec.colorspace = av.video.reformatter.Colorspace.SMPTE170M  # OpenCV's, when it writes and when it reads
            codec.color_range = av.video.reformatter.ColorRange.MPEG
        self._first_ns: int | None = None
        self._last_pts = -1

    def write(self, image: UInt8[np.ndarray, "H W 3"], time_ns: int | None = None) -> None:
        """Append a BGR picture.

        Args:
            image: Of the size that was given.
            time_ns: When it was taken; the video begins at its first picture. Default: by the frame rate.

        Raises:
            OSError: It could not be written, for example because the disk is full.
            SourceError: It could not be encoded.
        """
        import av

        height, width = image.shape[:2]
        if (width, height) != self.size:
            raise ValueError(f"a picture of {width}x{height} for a video of {self.size[0]}x{self.size[1]}")
        if self._encoder is LOSSLESS:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        else:
            frame = _to_yuv(image)
        if time_ns is None:
            time_ns = round(self.frames * NS_PER_S / self._fps)
        if self._first_ns is None:
            self._first_ns = time_ns
        frame.pts = max(round((time_ns - self._first_ns) * TIME_BASE / NS_PER_S), self._last_pts + 1)
        self._last_pts = frame.pts
        frame.time_base = Fraction(1, TIME_BASE)
        self._encode(frame)
        if self._file.mark():
            self.safe_frames = self.frames
        self.frames += 1

    def close(self) -> None:
        """Write what is left and the index; OSError where that fails, which leaves the file as `abandon` does."""
        try:
            self._encode(None)
            self._file.mark()
            self._container.close()
            self._file.mark()
            self.safe_frames = self.frames
        except BaseException:
            self.abandon()
            raise
        self._file.close()

    def abandon(self) -> None:
        """Leave the file as it was after the last fragment that could be written: it plays up to there."""
        self._file.break_off()
        self._container.close()
        self._file.close()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        import av

        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise SourceError(f"{self.path}: the video cannot be written: {error}") from None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, (OSError, SourceError)):
            self.abandon()
        else:
            self.close()


class _File:
    """What the container writes to; after an error nothing changes the file, which ends with its last fragment."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._whole = 0  # bytes, up to the end of the last fragment
        self._broken = False
        self._error: OSError | None = None  # not yet raised; FFmpeg would not pass it on

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left and not self._broken:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._error = error
            self.break_off()
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def mark(self) -> bool:
        """All that was written so far is whole: True if that is more than before, OSError if it was not all written."""
        if self._error is not None:
            raise self._error
        before, self._whole = self._whole, self._file.tell()
        return self._whole > before

    def break_off(self) -> None:
        """Cut what is not whole, and ignore whatever is written from now on."""
        if not self._broken:
            self._broken = True
            self._file.truncate(self._whole)

    def close(self) -> None:
        self._file.close()


def _encoder_for(size: tuple[int, int], lossless: bool) -> _Encoder:
    import av

    odd = size[0] % 2 or size[1] % 2
    encoders = (LOSSLESS,) if lossless else ENCODERS
    for encoder in encoders:
        if encoder.name in av.codecs_available and (encoder.odd_sizes or not odd):
            return encoder
    raise SourceError(f"this PyAV has none of {', '.join(encoder.name for encoder in encoders)}: pip install av")


def _to_yuv(image: UInt8[np.ndarray, "H W 3"]) -> av.VideoFrame:
    import av

    if image.shape[0] % 2 or image.shape[1] % 2:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24").reformat(format="yuv420p")
    return av.VideoFrame.from_ndarray(
        np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8), format="yuv420p"
    )
