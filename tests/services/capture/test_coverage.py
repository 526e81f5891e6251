"""What a waved board has covered, and which cameras have seen it together."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.board.board import Board
from calib.commands.watch import PATIENCE, answers
from multiview.data import VideoFrame
from multiview.errors import ConfigError
from multiview.sources import FrameSource, Reader
from multiview.sources.video import Source
from services.capture.coverage import ENOUGH_SHARED, Coverage
from services.nodes.recording_source import RecordingSource

BOARD = Board((6, 5), 0.1, 0.075, "DICT_4X4_100")


def picture(board: Board) -> np.ndarray:
    """The board in the upper left of a grey picture."""
    grey = np.full((480, 640), 128, np.uint8)
    drawn = board.picture(48)
    grey[20 : 20 + drawn.shape[0], 30 : 30 + drawn.shape[1]] = drawn
    return grey


@pytest.mark.parametrize("kind", [{}, {"inverted": True}, {"legacy": True}])
def test_the_board_is_found_in_pictures_on_standard_input(kind: dict[str, bool]) -> None:
    shown = picture(replace(BOARD, **kind))
    request = json.dumps({"camera": "cam01", "width": 640, "height": 480}).encode() + b"\n" + shown.tobytes()
    first, second = (json.loads(line) for line in answers(BOARD, io.BytesIO(2 * request + request[:1000])))
    assert first == second
    assert len(first["corners"]) == 20
    assert np.max(first["corners"]) < 0.6  # parts of the picture, not pixels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (replace(BOARD, inverted=True), "the board file says inverted = false, the images show the opposite"),
        (replace(BOARD, squares=(5, 6)), "the board file says 6x5, the images show 5x6"),
        (replace(BOARD, dictionary="DICT_5X5_100"), "the images show DICT_5X5_"),
    ],
    ids=["inverted", "turned", "dictionary"],
)
def test_a_board_unlike_its_file_is_found_and_said(shown: Board, words: str) -> None:
    stated = replace(BOARD, legacy=False, inverted=False)
    request = json.dumps({"camera": "cam01", "width": 640, "height": 480}).encode() + b"\n" + picture(shown).tobytes()
    last = [json.loads(line) for line in answers(stated, io.BytesIO((PATIENCE + 1) * request))][-1]
    assert len(last["corners"]) == 20
    assert words in last["note"]


@pytest.fixture
def board_file(tmp_path: Path) -> Path:
    path = tmp_path / "board.toml"
    path.write_text('squares = [6, 5]\nsquare_length = 0.1\nmarker_length = 0.075\ndictionary = "DICT_4X4_100"\n')
    return path


def test_what_to_do_next_is_said(board_file: Path) -> None:
    coverage = Coverage(board_file, ["cam01", "cam02", "cam03"])
    try:
        assert coverage.advice("cam01") == ("-", "0 %", "show the board")
        right = [(x, y) for x in np.linspace(0.4, 0.99, 20) for y in np.linspace(0, 0.99, 20)]
        for number in range(ENOUGH_SHARED):
            moved = [(x, y * (1 - 0.05 * (number % 2))) for x, y in right]
            coverage.note({"cam01": moved, "cam02": moved, "cam03": []})
        corners, covered, advice = coverage.advice("cam01")
        assert (corners, covered) == ("400", "62 %")
        assert advice == "tilt the board more"
        assert "cam01 cam02 | cam03" in coverage.linked()
        coverage.note({"cam03": [(0.5 + 0.001 * corner, 0.5) for corner in range(6)]})
        assert coverage.advice("cam03")[2].startswith("board")
        for number in range(ENOUGH_SHARED):
            moved = [(x, y * (1 - 0.05 * (number % 2))) for x, y in right]
            coverage.note({"cam01": [], "cam02": moved, "cam03": moved})
        assert coverage.linked().startswith("all cameras are linked")
    finally:
        coverage.close()


def test_no_board_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such board file"):
        Coverage(tmp_path / "none.toml", ["cam01"])


class _Counted:
    """Ten small pictures, as fast as they are asked for."""

    name, live, frames, fps, size = "cam01", False, 10, 20.0, (64, 48)

    def __init__(self) -> None:
        self._next = 0

    def read(self) -> VideoFrame | None:
        if self._next == 10:
            return None
        self._next += 1
        shade = np.full((48, 64, 3), 20 * self._next, np.uint8)
        return VideoFrame(shade, self._next - 1, (self._next - 1) * 50_000_000, "cam01")

    def skip(self) -> bool:
        self._next += 1
        return self._next <= 10

    def close(self) -> None: ...


def test_every_frame_is_kept_whether_or_not_anyone_looks(tmp_path: Path) -> None:
    counted: FrameSource = _Counted()
    recording = RecordingSource(counted)
    recording.begin(tmp_path, zero_ns=100_000_000)
    reader = Reader(recording, "newest")
    reader._thread.join(10.0)
    reader.close()
    kept = Source(tmp_path / "cam01.mp4")
    times = []
    while (frame := kept.read()) is not None:
        times.append(frame.time_ns)
    kept.close()
    assert times == [i * 50_000_000 for i in range(8)]  # from zero_ns on, counted from there
    again = RecordingSource(_Counted())
    again.begin(tmp_path, zero_ns=0)
    again.close()
    assert (tmp_path / "cam01.1.mp4").exists()
    assert len((tmp_path / "cam01.timestamps.csv").read_text().splitlines()) == 9  # the first one's, untouched
