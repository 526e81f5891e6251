"""A video goes on in another part where pictures change or the disk was full; nothing is lost silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.sources.video import Source
from services.nodes.video_log import VideoLog
from tests.footage import SIZE, digit_of, picture
from tests.processes import file_size_limit, until

FPS = 25.0
STEP_NS = round(1e9 / FPS)
ZERO_NS = 7_000_000_000


def frame_of(number: int, size: tuple[int, int] = SIZE) -> VideoFrame:
    """With a picture that does not compress well."""
    image = picture(number, size)
    image[:, size[0] // 2 :] = np.random.default_rng(number).integers(0, 200, image[:, size[0] // 2 :].shape)
    return VideoFrame(image, number, ZERO_NS + STEP_NS * (number + number // 5), "cam01")


def read(path: Path) -> list[tuple[int, int]]:
    """The last digit of the number and the time (ns) of each frame."""
    source, frames = Source(path), []
    while (frame := source.read()) is not None:
        frames.append((digit_of(frame.image), frame.time_ns))
    source.close()
    return frames


def expected(numbers: range) -> list[tuple[int, int]]:
    return [(number % 10, STEP_NS * (number + number // 5)) for number in numbers]


def test_video_log_begins_a_new_part_when_the_size_of_the_pictures_changes(tmp_path: Path) -> None:
    log = VideoLog(tmp_path, "cam01", SIZE, FPS, ZERO_NS)
    for number in range(30):
        log.add(frame_of(number, (32, 24) if 10 <= number < 20 else SIZE))
    log.close()
    assert (log.frames, log.dropped, log.error) == (30, 0, "")
    for name, numbers in (("cam01", range(10)), ("cam01.1", range(10, 20)), ("cam01.2", range(20, 30))):
        assert read(tmp_path / f"{name}.mp4") == expected(numbers)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.slow
def test_video_log_goes_on_when_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.nodes.video_log.RETRY_S", 0.05)
    log, number = VideoLog(tmp_path, "cam01", SIZE, FPS, ZERO_NS), 0

    def add() -> None:
        nonlocal number
        log.add(frame_of(number))
        number += 1
        until(lambda: log.frames + log.dropped >= number)

    with file_size_limit(50_000):
        while not log.error:
            add()
    assert log.error == "video is being lost: File too large"
    full_at = number
    with file_size_limit(30):  # there is room for nothing
        until(lambda: (add(), number >= full_at + 20)[1])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cam01.mp4", "cam01.timestamps.csv"]
    while number < full_at + 50:
        add()
    log.close()
    assert log.frames + log.dropped == number
    before, after = read(tmp_path / "cam01.mp4"), read(tmp_path / "cam01.1.mp4")
    assert len(before) + len(after) == log.frames
    assert before == expected(range(len(before)))
    assert after == expected(range(number - len(after), number))
    assert full_at - len(before) <= 2  # the one that did not fit, and the one before it
    rows = (tmp_path / "cam01.timestamps.csv").read_text().splitlines()
    assert len(rows) == 1 + len(before)


def test_video_log_counts_frames_that_come_too_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.nodes.video_log.QUEUE_FRAMES", 4)
    log = VideoLog(tmp_path, "cam01", (1280, 720), FPS, ZERO_NS)
    image = np.zeros((720, 1280, 3), np.uint8)
    for number in range(60):
        log.add(VideoFrame(image, number, ZERO_NS + number * STEP_NS, "cam01"))
    log.close()
    assert log.dropped > 0
    assert "faster than they can be written" in log.reason
    assert log.frames + log.dropped == 60
    assert len(read(tmp_path / "cam01.mp4")) == log.frames


def test_video_log_leaves_earlier_videos_alone(tmp_path: Path) -> None:
    for _ in range(2):
        log = VideoLog(tmp_path, "cam01", SIZE, FPS, ZERO_NS)
        log.add(frame_of(0))
        log.close()
    assert {path.name for path in tmp_path.glob("*.mp4")} == {"cam01.mp4", "cam01.1.mp4"}
    (tmp_path / "file").touch()
    with pytest.raises((SourceError, OSError)):
        VideoLog(tmp_path / "file", "cam01", SIZE, FPS, ZERO_NS)
