"""Interlaced video, codecs that OpenCV lacks, pictures of 12 bits, and files that do not belong in a folder."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from calib.corners.pictures import image_folder, video
from multiview.errors import SourceError
from multiview.sources import open_source
from multiview.sources.video import open_video
from tests.footage import beside, digit_of, picture, write_video

FRAMES, FPS = 20, 25


@beside
def write(path: Path, codec: str, interlaced: bool = False, pixels: str = "yuv420p") -> Path:
    """A video whose pictures show their number, made by FFmpeg."""
    size = (128, 96)
    options = {"x264-params": "tff=1"} if codec == "libx264" and interlaced else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        if interlaced:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="bgr24").reformat(format=pixels)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("v.mp4", "libx264", "yuv420p"), ("v.mkv", "libx264", "yuv422p"), ("v.mpg", "mpeg2video", "yuv420p")],
)
def test_interlaced_video_gives_its_pictures(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, codec, interlaced=True, pixels=pixels)
    source = open_source(str(path))
    frames = [source.read() for _ in range(FRAMES)]
    assert source.read() is None
    assert [digit_of(frame.image) for frame in frames if frame] == [i % 10 for i in range(FRAMES)]
    assert [frame.time_ns for frame in frames if frame] == [round(i * 1e9 / FPS) for i in range(FRAMES)]
    board = list(video(path).read(every=3))
    assert [shown.frame for shown in board] == list(range(0, FRAMES, 3))
    assert [round((int(shown.grey[10, 10]) - 40) / 20) for shown in board] == [i % 10 for i in range(0, FRAMES, 3)]


def test_codec_that_opencv_lacks_is_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """AV1, where OpenCV opens the file and gives no picture; also in `calibrate detect`."""
    path = write(tmp_path / "v.mp4", "libsvtav1")
    source = open_source(str(path))
    assert [digit_of(frame.image) for frame in iter(source.read, None)] == [i % 10 for i in range(FRAMES)]
    assert len(list(video(path).read())) == FRAMES


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("v.mp4", "libx264", "yuv420p"), ("v.mkv", "libx264", "yuv420p10le"), ("v.avi", "mjpeg", "yuvj420p")],
)
def test_video_reader_gives_the_pictures_and_counts_of_opencv(
    name: str, codec: str, pixels: str, tmp_path: Path
) -> None:
    """OpenCV has an FFmpeg of its own."""
    path = write(tmp_path / name, codec, pixels=pixels)
    ours, theirs = open_video(path), cv2.VideoCapture(str(path))
    properties = (
        cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT,
    )  # fmt: skip
    assert (ours.fps, ours.frames, *ours.size) == tuple(theirs.get(what) for what in properties)
    while theirs.grab():
        assert ours.grab()
        assert ours.stamp_s == pytest.approx(theirs.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
        np.testing.assert_array_equal(ours.image(), theirs.retrieve()[1])
    assert not ours.grab()
    ours.close()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_pictures_of_more_bits_keep_their_greys(bits: int, tmp_path: Path) -> None:
    """A ramp over what the camera's bits can say, in files of 16: every grey of 8 bits is there afterwards."""
    ramp = np.linspace(0, 2**bits - 1, 1024).astype(np.uint16)
    for number in range(3):
        image = np.repeat(ramp[None, :, None] >> (1 if number == 0 else 0), 3, axis=2).repeat(8, axis=0)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    source = open_source(str(tmp_path))
    dark, bright = source.read(), source.read()
    assert dark is not None
    assert bright is not None
    assert len(np.unique(bright.image)) == 256
    np.testing.assert_allclose(dark.image, bright.image // 2, atol=1)  # one scale for all
    grey = list(image_folder(tmp_path).read())[1].grey
    assert len(np.unique(grey)) == 256


def folder_of(path: Path, names: list[str]) -> Path:
    path.mkdir()
    for name in names:
        cv2.imwrite(str(path / name), picture(1))
    return path


@pytest.mark.parametrize("stray", ["copy of frame14.png", "frame14 (1).png", "frame14 - Copy.png", "preview.png"])
def test_stray_picture_is_named_and_numbers_nothing(stray: str, tmp_path: Path) -> None:
    names = [f"frame{number}.png" for number in range(8, 20)]
    folder = folder_of(tmp_path / "cam01", [*names, stray])
    for read in (lambda: open_source(str(folder)), lambda: image_folder(folder)):
        with pytest.raises(SourceError, match="move it away") as raised:
            read()
        assert stray in str(raised.value)


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    """As macOS leaves beside every file on foreign disks."""
    folder = folder_of(tmp_path / "cam01", ["frame9.png", "frame10.png"])
    (folder / "._frame10.png").write_bytes(b"\0\5\26\7")
    assert [frame for frame, _ in image_folder(folder).files] == [9, 10]
    assert [frame.index for frame in iter(open_source(str(folder)).read, None)] == [9, 10]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["0003_cam1.png", "0007_cam1.png"], [3, 7]),  # the camera's number is not the frame's
        (["cam2-take1-9.jpg", "cam2-take1-10.jpg"], [9, 10]),
        (["20250818_065551594_iOS.png", "20250819_065551600_iOS.png"], [65551594, 65551600]),
        (["b.png", "a.png"], [0, 1]),
        (["only3.png"], [3]),
    ],
)
def test_frames_are_numbered_by_what_differs(names: list[str], numbers: list[int], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "cam01", names)
    assert [frame for frame, _ in image_folder(folder).files] == numbers
    assert [frame.index for frame in iter(open_source(str(folder)).read, None)] == numbers


def test_frames_of_one_number_are_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "cam01", ["1-5.png", "2-5.png", "3-6.png"])
    for read in (lambda: open_source(str(folder)), lambda: image_folder(folder)):
        with pytest.raises(SourceError, match=r"1-5\.png and 2-5\.png bear the same frame number 5"):
            read()


def test_picture_that_is_too_large_is_one_line(tmp_path: Path) -> None:
    """A PNG of 60,000 x 60,000 in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    (tmp_path / "0.png").write_bytes(data)
    with pytest.raises(SourceError, match=r"0\.png cannot be read as a picture: it is none, or too large or damaged"):
        open_source(str(tmp_path))


def test_video_of_a_codec_that_nobody_knows_is_one_line(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi").read_bytes()
    path = tmp_path / "unknown.avi"
    path.write_bytes(whole.replace(b"MJPG", b"ZZZZ"))
    for read in (open_source, video):
        with pytest.raises(SourceError, match="codec"):
            read(str(path))
