"""What a capture tells a program: reports through a pipe, and the coverage of the board in them."""

from __future__ import annotations

import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from calib.board.sheet import plan, write_sheet
from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.studio.config import SyntheticSource
from services.capture.capture_report import CameraReport, CaptureReport, read_reports, report_message
from services.capture.coverage import ENOUGH_SHARED, LEAST_VIEWS, Coverage
from services.capture.reporting import report_captures
from services.capture.simulated_camera import RATE_HZ, simulated_cameras
from services.nodes.disk_room import DiskRoom
from tests.footage import write_video

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


def _board(place: int) -> list[tuple[float, float]]:
    """Its corners, as shares of a picture, at one of several places."""
    x = 0.05 + 0.06 * (place % 10)
    return [(x + dx, y) for dx in (0.0, 0.01, 0.02) for y in (0.1, 0.12)]


def test_coverage_counts_a_board_that_lies_still_once(board: Path) -> None:
    coverage = Coverage(board, ["a", "b"])
    try:
        for _ in range(3 * ENOUGH_SHARED):
            coverage.note({"a": _board(1), "b": _board(2)})
        assert (coverage.of("a").views, coverage.pairs()) == (1, [("a", "b", 1)])
        coverage.note({"a": _board(1), "b": _board(3)})  # it is turned to one of them, say
        assert (coverage.of("a").views, coverage.of("b").views, coverage.pairs()) == (1, 2, [("a", "b", 2)])
        coverage.note({"a": _board(4)[:5], "b": []})  # too little of it to find out where it is
        assert coverage.of("a").views == 1
    finally:
        coverage.close()


@pytest.mark.slow
def test_coverage_says_which_pairs_lack_boards(board: Path) -> None:
    coverage = Coverage(board, ["a", "b", "c"])
    try:
        assert coverage.lacks() == "a has 0 of 12 boards, b has 0 of 12 boards, c has 0 of 12 boards"
        for place in range(ENOUGH_SHARED):
            coverage.note({"a": _board(place), "b": _board(place), "c": []})
        assert coverage.pairs() == [("a", "b", ENOUGH_SHARED), ("a", "c", 0), ("b", "c", 0)]
        assert not coverage.all_linked
        assert np.argwhere(coverage.of("a").cells).tolist() == [[0, x] for x in range(4)]
        for place in range(ENOUGH_SHARED):
            coverage.note({"a": [], "b": _board(place), "c": _board(place)})
        assert coverage.all_linked
        assert coverage.of("a").places == []  # the newest picture has none
        assert coverage.lacks() == "a has 8 of 12 boards, c has 8 of 12 boards"
        for place in range(4):
            coverage.note({"a": _board(place), "b": [], "c": _board(place)})
        assert coverage.lacks() == ""
        for name in "abc":
            coverage.of(name).views = LEAST_VIEWS
        coverage._shared.clear()
        assert coverage.lacks().startswith("not linked yet: a | b | c")
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
    cameras = simulated_cameras(SOURCE, board, began_ns=time.monotonic_ns())
    assert [camera.name for camera in cameras] == ["cam01", "cam02"]
    with ThreadPoolExecutor(2) as threads:  # the second is late each time, and the first waits for it
        first = threads.submit(lambda: [cameras[0].read() for _ in range(5)])
        second = threads.submit(lambda: [(time.sleep(k % 2 * 0.25), cameras[1].read())[1] for k in range(5)])
        frames = list(zip(first.result(), second.result(), strict=True))
        waiting = threads.submit(cameras[0].read)
        cameras[1].close()
        assert waiting.result() is None
    for number, pair in enumerate(frames):
        assert [(one.index, one.time_ns) for one in pair if one] == 2 * [(number, pair[0].time_ns)]
        assert {one.image.shape for one in pair if one} == {(360, 640, 3)}
    times = [pair[0].time_ns for pair in frames]
    assert np.diff(times).min() >= 1e9 / RATE_HZ
    assert cameras[1].read() is None
    seen: list[int] = []
    (one, other) = simulated_cameras(SOURCE, board, time.monotonic_ns(), lambda time_ns: len(seen) > 2)
    with ThreadPoolExecutor(2) as threads:  # the first frame comes when the board was looked for three times
        first, second = threads.submit(one.read), threads.submit(other.read)
        assert wait([first], 0.3).not_done
        seen += [1, 2, 3]
        assert first.result().time_ns == second.result().time_ns
    other.close()
    board.with_name("board.png").rename(board.with_name("away.png"))
    try:
        with pytest.raises(SourceError, match=r"board\.png: no print of the board"):
            simulated_cameras(SOURCE, board, began_ns=0)
    finally:
        board.with_name("away.png").rename(board.with_name("board.png"))


class Pipe:
    """A standard output whose reader goes when a report warns, or after twenty reports."""

    def __init__(self) -> None:
        self.buffer, self.warning, self.reports = self, "", 0

    def write(self, data: bytes) -> int:
        (report,) = read_reports(io.BytesIO(data).read)
        self.warning, self.reports = report.warning, self.reports + 1
        if self.warning or self.reports == 20:
            raise BrokenPipeError
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


@pytest.mark.slow
def test_reports_warn_of_a_disk_that_will_soon_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the table does: whoever records from a page is told, too."""
    video = write_video(tmp_path / "film.avi")
    (tmp_path / "studio.toml").write_text(
        f'[recorder]\ndirectory = "{tmp_path}"\n[cameras.cam01.source]\ntype = "camera"\naddress = "{video}"\n'
    )
    monkeypatch.setattr(DiskRoom, "warning", lambda room: "the disk will be full in 2 min")
    monkeypatch.setattr(sys, "stdout", pipe := Pipe())
    assert report_captures(tmp_path / "studio.toml", None, "first") == 0
    assert pipe.warning == "the disk will be full in 2 min"
