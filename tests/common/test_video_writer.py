"""Videos play to their last frame but one however their writing ended, with the true time of every frame."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from multiview.common.video_writer import VideoWriter
from multiview.errors import SourceError
from tests.footage import digit_of, picture
from tests.processes import file_size_limit

FPS = 25.0
SIZE = (64, 48)
STEP_NS = round(1e9 / FPS)


def uneven(frame: int) -> int:
    """Time of a frame, ns: every fifth frame lacks its successor."""
    return STEP_NS * (frame + frame // 5)


def read(path: Path) -> tuple[list[int], list[float]]:
    """The last digit of each picture's number, and its time in ms, as OpenCV reads them."""
    capture = cv2.VideoCapture(str(path))
    digits, times = [], []
    while (found := capture.read())[0]:
        digits.append(digit_of(np.asarray(found[1])))
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    capture.release()
    return digits, times


@pytest.mark.slow
@pytest.mark.parametrize("size", [SIZE, (65, 47)], ids=["even", "odd"])
def test_video_writer_loses_one_frame_wherever_it_is_cut(size: tuple[int, int], tmp_path: Path) -> None:
    """What is in the file at an instant is what a killed process leaves."""
    path, copy = tmp_path / "v.mp4", tmp_path / "copy.mp4"
    frames = 100
    with VideoWriter(path, size, FPS) as writer:
        for frame in range(frames):
            writer.write(picture(frame, size), uneven(frame))
            if frame % 9 != 0 and frame >= FPS:
                continue
            copy.write_bytes(path.read_bytes())
            digits, times = read(copy)
            assert digits == [i % 10 for i in range(frame)]
            np.testing.assert_allclose(times, [uneven(i) / 1e6 for i in range(frame)], atol=0.02)  # 1/90,000 s
            assert writer.safe_frames == len(digits)
    digits, times = read(path)
    assert digits == [i % 10 for i in range(frames)]
    np.testing.assert_allclose(times, [uneven(i) / 1e6 for i in range(frames)], atol=0.02)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == frames
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == size


def test_video_writer_makes_what_browsers_play(tmp_path: Path) -> None:
    """H.264 in 4:2:0, or VP9, without frames that refer to later ones."""
    for size, codec in ((SIZE, "h264"), ((65, 47), "vp9")):
        path = tmp_path / f"{codec}.mp4"
        with VideoWriter(path, size, FPS) as writer:
            for frame in range(30):
                writer.write(picture(frame, size))
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == codec
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert not stream.codec_context.has_b_frames
            packets = [packet for packet in container.demux(stream) if packet.size]
            assert [packet.pts for packet in packets] == [packet.dts for packet in packets]
            keys = [float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe]
            assert np.diff([*keys, 30 / FPS]).max() <= 1.0  # a place to jump to every second


def test_video_writer_keeps_colours(tmp_path: Path) -> None:
    """Saturated colours come back as they were, but for what 8 bits of limited range lose (2 of 255)."""
    for size in (SIZE, (65, 47)):
        colours = [(40, 40, 200), (200, 60, 60), (60, 180, 60), (128, 128, 128), (20, 200, 200)]
        path = tmp_path / "v.mp4"
        with VideoWriter(path, size, FPS) as writer:
            for colour in colours:
                writer.write(np.full((size[1], size[0], 3), colour, np.uint8))
        capture = cv2.VideoCapture(str(path))
        for colour in colours:
            _, image = capture.read()
            np.testing.assert_allclose(np.asarray(image)[5:-5, 5:-5].mean(axis=(0, 1)), colour, atol=3.0)
        capture.release()


def test_video_writer_keeps_what_it_wrote_before_the_disk_was_full(tmp_path: Path) -> None:
    path, rng = tmp_path / "v.mp4", np.random.default_rng(1)
    pictures = [picture(frame) for frame in range(100)]
    for image in pictures:  # what does not compress, beside the number
        image[:, 32:] = rng.integers(0, 255, (48, 32, 3), dtype=np.uint8)

    writer = VideoWriter(path, SIZE, FPS)

    def fill() -> None:
        for frame, image in enumerate(pictures):
            writer.write(image, uneven(frame))

    with file_size_limit(60_000), pytest.raises(OSError, match="too large"):
        fill()
    writer.abandon()
    digits, times = read(path)
    assert len(digits) == writer.safe_frames > 0
    assert writer.frames - len(digits) <= 2  # the last one, and the one that did not fit
    assert digits == [i % 10 for i in range(len(digits))]
    np.testing.assert_allclose(times, [uneven(i) / 1e6 for i in range(len(times))], atol=0.02)


def test_video_writer_keeps_what_it_wrote_where_there_is_no_room_for_the_index(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    writer = VideoWriter(path, SIZE, FPS)
    for frame in range(60):
        writer.write(picture(frame))
    with file_size_limit(path.stat().st_size + 10), pytest.raises(OSError, match="too large"):
        writer.close()
    digits, _ = read(path)
    assert len(digits) == writer.safe_frames >= 59


def test_video_writer_says_what_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none.*cannot be written: No such file"):
        VideoWriter(tmp_path / "none" / "v.mp4", SIZE)
    with VideoWriter(tmp_path / "v.mp4", SIZE) as writer, pytest.raises(ValueError, match="32x24 for a video of 64x48"):
        writer.write(picture(0, (32, 24)))


@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_lossless_video_gives_every_pixel_back(tmp_path: Path, size: tuple[int, int]) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "film.mp4"
    images = [rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8) for _ in range(5)]
    with VideoWriter(path, size, 50.0, lossless=True) as writer:
        for image in images:
            writer.write(image)
    capture = cv2.VideoCapture(str(path))
    for image in images:
        np.testing.assert_array_equal(capture.read()[1], image)
    capture.release()
