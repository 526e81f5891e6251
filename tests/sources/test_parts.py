"""A recording that goes on in other files is one camera's, numbered and timed throughout."""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import pytest

from multiview.commands.arguments import add_videos, camera_names
from multiview.common.ledger import ledger
from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.sources import open_cameras, open_source
from services.nodes.video_log import VideoLog
from tests.footage import SIZE, digit_of, picture

FPS, STEP_NS = 25.0, 40_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty frames of which the middle ten are smaller, so that they are in files of their own."""
    log = VideoLog(tmp_path, "cam01", SIZE, FPS, 0)
    for number in range(30):
        size = (32, 24) if 10 <= number < 20 else SIZE
        log.add(VideoFrame(picture(number, size), number, number * STEP_NS, "cam01"), wait=True)
    log.close()
    return tmp_path


def read(source: object) -> list[VideoFrame]:
    return list(iter(source.read, None))  # type: ignore[attr-defined]


def test_parts_are_read_as_one_video(folder: Path) -> None:
    source = open_source(str(folder / "cam01.mp4"))
    frames = read(source)
    assert source.name == "cam01"
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_ns for frame in frames] == [number * STEP_NS for number in range(30)]
    assert [digit_of(frame.image) for frame in frames] == [number % 10 for number in range(30)]
    assert {frame.camera for frame in frames} == {"cam01"}
    assert {frame.image.shape[1] for frame in frames[10:20]} == {32}


def test_parts_that_are_skipped_count(folder: Path) -> None:
    source = open_source(str(folder / "cam01.mp4"), "left")
    assert all(source.skip() for _ in range(15))
    frame = source.read()
    assert frame is not None
    assert (frame.index, frame.time_ns, frame.camera) == (15, 15 * STEP_NS, "left")
    source.close()
    assert source.read() is None


def test_part_that_cannot_be_read_is_noted_and_passed_over(folder: Path) -> None:
    (folder / "cam01.1.mp4").write_bytes(b"torn")
    with ledger() as entries:
        frames = read(open_source(str(folder / "cam01.mp4")))
    assert [frame.time_ns // STEP_NS for frame in frames] == [*range(10), *range(20, 30)]
    assert len(entries.missing) == 1
    assert "cam01.1.mp4" in entries.missing[0]
    for name in ("cam01.mp4", "cam01.2.mp4"):
        (folder / name).write_bytes(b"torn")
    with pytest.raises(SourceError, match=r"cam01\.mp4 cannot be opened"):
        open_source(str(folder / "cam01.mp4"))


@pytest.fixture(params=[("GX010042", "GX020042", "GX030042"), ("GOPR0042", "GP010042", "GP020042")])
def chapters(tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    """Thirty frames as a GoPro cuts them, none with times beside it; and the first chapter of another recording."""
    for part, name in enumerate(request.param):
        write(tmp_path / f"{name}.MP4", range(10 * part, 10 * part + 10))
    write(tmp_path / f"{request.param[0][:-1]}3.MP4", range(10))
    return [tmp_path / f"{name}.MP4" for name in request.param]


def write(path: Path, numbers: range) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=round(FPS), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in numbers:
            frame = av.VideoFrame.from_ndarray(picture(number, SIZE), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_chapters_of_a_gopro_are_read_as_one_video(chapters: list[Path]) -> None:
    frames = read(open_source(str(chapters[0]), "left"))
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_ns for frame in frames] == [number * STEP_NS for number in range(30)]
    assert [digit_of(frame.image) for frame in frames] == [number % 10 for number in range(30)]
    parser = argparse.ArgumentParser()
    add_videos(parser)
    args = parser.parse_args(["--videos", *map(str, sorted(chapters[0].parent.iterdir()))])
    assert camera_names(args) == [chapters[0].stem, f"{chapters[0].stem[:-1]}3"]


def test_chapters_that_are_skipped_take_their_time(chapters: list[Path]) -> None:
    source = open_source(str(chapters[0]))
    assert all(source.skip() for _ in range(25))
    frame = source.read()
    assert frame is not None
    assert (frame.index, frame.time_ns, digit_of(frame.image)) == (25, 25 * STEP_NS, 5)
    source.close()


def test_chapter_that_cannot_be_read_is_an_error(chapters: list[Path]) -> None:
    """Nothing says how long it was, and all that follows would be early."""
    chapters[1].write_bytes(b"torn")
    with pytest.raises(SourceError, match=rf"{chapters[1].name} cannot be opened"):
        read(open_source(str(chapters[0])))


def test_later_parts_are_no_cameras(folder: Path) -> None:
    """Whatever the shell makes of *.mp4; a file that only looks like a part, without a recording's times, is one."""
    (folder / "cam02.mp4").touch()
    (folder / "cam02.1.mp4").touch()
    parser = argparse.ArgumentParser()
    add_videos(parser)
    args = parser.parse_args(["--videos", *map(str, sorted(folder.glob("*.mp4")))])
    assert camera_names(args) == ["cam01", "cam02.1", "cam02"]


def test_recording_without_a_picture_does_not_hide_the_other_cameras(folder: Path) -> None:
    videos = [(folder / f"{name}.mp4", name) for name in ("cam00", "cam01")]
    opened = lambda: open_cameras(videos, lambda video, name: open_source(str(video), name))
    (folder / "cam00.mp4").touch()
    with pytest.raises(SourceError, match=r"cam00\.mp4 cannot be opened"):  # a video that somebody named by mistake
        opened()
    (folder / "cam00.timestamps.csv").write_text("frame,time\n")
    with ledger() as entries:
        assert [source.name for source in opened()] == ["cam01"]
    assert len(entries.missing) == 1
    assert "cam00.mp4 cannot be opened" in entries.missing[0]
    for name in ("cam01.mp4", "cam01.1.mp4", "cam01.2.mp4"):
        (folder / name).write_bytes(b"torn")
    with pytest.raises(SourceError, match=r"cam00\.mp4 cannot be opened"):
        opened()
