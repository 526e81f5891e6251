"""A recorded video of the board goes on in its later parts, as everywhere else."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from calib.corners.pictures import video
from calib.corners.recording import add_source_arguments, sources_from
from multiview.common.ledger import ledger
from multiview.data import VideoFrame
from multiview.errors import SourceError
from services.capture.new import find_cameras
from services.nodes.video_log import VideoLog
from tests.footage import SIZE, digit_of, picture

FPS, STEP_NS = 25.0, 40_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of cam01, whose worker was started again after ten frames and ten that were lost."""
    for begin in (0, 20):
        log = VideoLog(tmp_path, "cam01", SIZE, FPS, 0)
        for number in range(begin, begin + 10):
            log.add(VideoFrame(picture(number, SIZE), number - begin, number * STEP_NS, "cam01"), wait=True)
        log.close()
    assert {path.name for path in tmp_path.glob("*.mp4")} == {"cam01.mp4", "cam01.1.mp4"}
    return tmp_path


def test_board_video_is_read_with_its_later_parts(folder: Path) -> None:
    pictures = video(folder / "cam01.mp4")
    assert (pictures.name, pictures.count) == ("cam01", 20)
    read = list(pictures.read())
    assert [one.frame for one in read] == list(range(20))
    times = [number / FPS for number in (*range(10), *range(20, 30))]
    np.testing.assert_allclose([one.time for one in read], times)
    assert [digit_of(np.repeat(one.grey[..., None], 3, axis=2)) for one in read] == [n % 10 for n in range(20)]
    assert [one.frame for one in pictures.read(3)] == list(range(0, 20, 3))


def test_parts_are_no_cameras_of_a_calibration_or_a_new_studio(folder: Path) -> None:
    parser = argparse.ArgumentParser()
    add_source_arguments(parser, required=True)
    videos = [str(path) for path in sorted(folder.glob("*.mp4"))]
    assert [source.name for source in sources_from(parser.parse_args(["--videos", *videos]))] == ["cam01"]
    assert [camera.name for camera in find_cameras(folder)] == ["cam01"]
    assert [camera.name for camera in find_cameras(folder, videos)] == ["cam01"]


def test_part_of_a_board_video_that_cannot_be_read_is_noted(folder: Path) -> None:
    (folder / "cam01.1.mp4").write_bytes(b"torn")
    with ledger() as entries:
        assert len(list(video(folder / "cam01.mp4").read())) == 10
    assert "cam01.1.mp4" in entries.missing[0]
    (folder / "cam01.mp4").write_bytes(b"torn")
    with pytest.raises(SourceError, match=r"cam01\.mp4 cannot be opened as a video"):
        video(folder / "cam01.mp4")


def test_chapters_of_a_gopro_are_one_video_of_the_board(tmp_path: Path) -> None:
    for part in (1, 2):
        log = VideoLog(tmp_path, f"GX0{part}0007", SIZE, FPS, 0)
        for number in range(10):
            log.add(VideoFrame(picture(number, SIZE), number, number * STEP_NS, "cam01"), wait=True)
        log.close()
    for stamps in tmp_path.glob("*.csv"):
        stamps.unlink()
    read = list(video(tmp_path / "GX010007.mp4").read())
    assert [one.frame for one in read] == list(range(20))
    np.testing.assert_allclose([one.time for one in read], np.arange(20) / FPS, atol=1e-9)
    (tmp_path / "GX020007.mp4").write_bytes(b"torn")
    with pytest.raises(SourceError, match=r"GX020007\.mp4 cannot be opened as a video"):
        video(tmp_path / "GX010007.mp4")
