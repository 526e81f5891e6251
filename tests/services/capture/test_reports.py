"""What a capture tells a program: reports through a pipe, and the coverage of the board in them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from calib.board.sheet import plan, write_sheet
from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.studio.config import SyntheticSource
from services.capture.capture_report import CameraReport, CaptureReport, read_reports, report_message
from services.capture.coverage import ENOUGH_SHARED, Coverage
from services.capture.simulated_camera import RATE_HZ, simulated_cameras

SOURCE = SyntheticSource(options={"cameras": 2, "people": 0, "size": [640, 360], "person_px": 120.0})


def test_reports_come_as_they_were_written() -> None:
    first = CaptureReport(cameras=[CameraReport(name="cam01", size=(64, 48), jpeg=b"\xff\xd8", corners=[(0.25, 0.5)])])
    last = CaptureReport(take="takes/board")
    data = report_message(first) + report_message(last)
    assert list(read_reports(io.BytesIO(data).read)) == [first, last]
    assert list(read_reports(io.BytesIO(data[:-1]).read)) == [first]  # whoever wrote it was cut off
    assert list(read_reports(io.BytesIO(b"\xff\xff\xff\xff").read)) == []  # no message is so long


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    made, page = plan("a4", "900x650", "7x5", None, None, "DICT_4X4_100", False, False)
    write_sheet(made, page, folder)
    return folder / "board.toml"


@pytest.mark.slow
def test_coverage_says_which_pairs_lack_boards(board: Path) -> None:
    coverage = Coverage(board, ["a", "b", "c"])
    try:
        for _ in range(ENOUGH_SHARED):
            coverage.note({"a": [(0.1, 0.1)], "b": [(0.9, 0.9)], "c": []})
        assert coverage.pairs() == [("a", "b", ENOUGH_SHARED), ("a", "c", 0), ("b", "c", 0)]
        assert not coverage.all_linked
        assert np.argwhere(coverage.of("a").cells).tolist() == [[0, 0]]
        for _ in range(ENOUGH_SHARED):
            coverage.note({"a": [], "b": [(0.5, 0.5)], "c": [(0.5, 0.5)]})
        assert coverage.all_linked
        assert coverage.of("a").places == []  # the newest picture has none
    finally:
        coverage.close()


def test_coverage_searches_a_picture_once(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coverage = Coverage(board, ["a", "b"])
    rounds: list[list[str]] = []
    monkeypatch.setattr(coverage._rounds, "put_nowait", lambda frames: rounds.append(sorted(frames)))
    first, later = (VideoFrame(np.zeros((4, 6, 3), np.uint8), n, n * 100, "") for n in (0, 1))
    try:
        coverage.show({"a": first, "b": None})
        coverage.show({"a": first, "b": None})  # the same once more
        coverage._next_s = 0.0
        coverage.show({"a": later, "b": first})
        coverage._next_s = float("inf")
        coverage.show({"a": first, "b": first})  # b is late, and is waited for
        coverage._next_s = 0.0
        coverage.show({"a": first, "b": first})  # in vain
        assert rounds == [["a"], ["a", "b"], ["a"]]
    finally:
        monkeypatch.undo()
        coverage.close()


@pytest.mark.slow
def test_simulated_cameras_film_the_print_in_step(board: Path) -> None:
    cameras = simulated_cameras(SOURCE, board, began_ns=0)
    assert [camera.name for camera in cameras] == ["cam01", "cam02"]
    for camera in cameras:
        frame = camera.read()
        assert frame is not None
        assert frame.image.shape == (360, 640, 3)
        assert frame.time_ns == round(frame.index * 1e9 / RATE_HZ)  # on the grid that all share
        camera.close()
        assert camera.read() is None
    board.with_name("board.png").rename(board.with_name("away.png"))
    try:
        with pytest.raises(SourceError, match=r"board\.png: no print of the board"):
            simulated_cameras(SOURCE, board, began_ns=0)
    finally:
        board.with_name("away.png").rename(board.with_name("board.png"))
