"""Calibration from the pages: who may, what comes first, and where the floor is."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import msgspec
import pytest

from multiview.errors import ConfigError
from multiview.recordings.take import Take
from multiview.studio.studio_file import write_studio
from services.capture.capture_report import CameraReport, CaptureReport
from services.dashboard.access import Role, Session
from services.dashboard.calibrate_page import COUNTS, KINDS
from services.dashboard.calibration import BOARD, Calibration, Sheet, Solved
from services.dashboard.control import Control
from services.dashboard.filming import Filming, report_bytes
from services.dashboard.studio_file import set_rig
from tests.processes import free_hub, synthetic_studio

CONTROLS, VIEWS = Session("1", Role.CONTROL), Session("2", Role.VIEW)
CORNERS = [(0.1 * i, 0.5) for i in range(8)]


@pytest.fixture
def calibration(tmp_path: Path) -> Calibration:
    write_studio(synthetic_studio(tmp_path / "takes", free_hub()), tmp_path / "studio.toml")
    return Calibration(Control(tmp_path), Filming())


def test_viewer_may_not_calibrate(calibration: Calibration) -> None:
    for do in (calibration.film, calibration.solve, calibration.mark_floor):
        with pytest.raises(ConfigError, match="this link may only view"):
            do(VIEWS)
    with pytest.raises(ConfigError, match="this link may only view"):
        calibration.make_board(VIEWS, Sheet("a4", (0, 0), "7x5"))
    with pytest.raises(ConfigError, match="this link may only view"):
        calibration.use(VIEWS, Solved(calibration.folder, {}))


def test_one_step_comes_after_the_other(calibration: Calibration) -> None:
    with pytest.raises(ConfigError, match="make the board first"):
        calibration.film(CONTROLS)
    with pytest.raises(ConfigError, match="nothing was filmed"):
        calibration.solve(CONTROLS)
    with pytest.raises(ConfigError, match="nothing is filmed yet"):
        calibration.mark_floor(CONTROLS)
    with pytest.raises(ConfigError, match="do not fit"):
        calibration.make_board(CONTROLS, Sheet("plate", (20.0, 20.0), "7x5"))
    assert not calibration.has_board


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "counts"), [("charuco", "7x5"), ("chessboard", "10x7"), ("circles", "4x11")])
def test_page_makes_every_kind_of_board_that_is_printed(calibration: Calibration, kind: str, counts: str) -> None:
    assert KINDS.keys() == COUNTS.keys() == {"charuco", "chessboard", "circles"}
    assert COUNTS[kind] == counts
    said = calibration.make_board(CONTROLS, Sheet("a4", (0, 0), counts, kind))
    assert counts in said
    assert calibration.has_board
    assert calibration.sheet.is_file()
    written = calibration.board.read_text()
    assert (f'kind = "{kind}"' in written) == (kind != "charuco")


def test_floor_is_in_the_newest_pictures(calibration: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = [
        CameraReport(name="cam01", size=(64, 48), frames=20),
        CameraReport(name="cam02", size=(64, 48), frames=17, corners=CORNERS),
        CameraReport(name="cam03", size=(64, 48), frames=0, corners=CORNERS),  # nothing is recorded of it
    ]
    filming = calibration._filming
    filming.report, filming.what = CaptureReport(cameras=cameras), BOARD
    monkeypatch.setattr(Filming, "running", True)
    assert calibration.mark_floor(CONTROLS) == "cam02, cam03"
    assert calibration.floor == {"cam01": 19, "cam02": 16}
    filming.report = CaptureReport(cameras=cameras[2:])
    assert not calibration.records  # so the page offers no button that would be refused


def test_simulated_board_is_not_taken_for_the_floor_while_it_is_held(
    calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    filming, report = calibration._filming, CaptureReport(cameras=[CameraReport(name="a", size=(4, 3), frames=9)])
    monkeypatch.setattr(Filming, "start", lambda *_: None)
    monkeypatch.setattr(Calibration, "has_board", True)
    calibration.film(CONTROLS)
    monkeypatch.setattr(Filming, "running", True)
    filming.what, filming.report = BOARD, report
    with pytest.raises(ConfigError, match="does not lie on the floor now"):
        calibration.mark_floor(CONTROLS)
    filming.report = msgspec.structs.replace(report, scene="simulated: the board lies on the floor")
    calibration.mark_floor(CONTROLS)
    assert calibration.floor == {"a": 8}


def test_commands_are_those_of_a_terminal(
    calibration: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(Calibration, "_run", lambda _, command, good=(0,): commands.append(command))
    monkeypatch.setattr(Calibration, "_begin", lambda _, name, work: work())
    solved, walk = Solved(calibration.folder / "board-floor-2", {}), Take(tmp_path / "takes" / "walk")
    with pytest.raises(ConfigError, match="without a board"):
        calibration.set_floor(CONTROLS, solved, "cam02", 7)
    with pytest.raises(ConfigError, match="no rig in use yet"):
        calibration.check_people(CONTROLS, walk)
    for folder in ("board-floor", "board-floor-2"):
        (calibration.folder / folder).mkdir(parents=True)
    solved.corners.touch()
    calibration.set_floor(CONTROLS, solved, "cam02", 7)
    out = calibration.folder / "board-floor-3"  # the other two stay
    corners = str(solved.corners)
    assert commands.pop() == ["calibrate", "solve", "--corners", corners, "--out", str(out), "--floor=cam02=7"]
    calibration.solve_people(CONTROLS, walk, 178.0)
    people = str(calibration.folder / "walk-people")
    assert commands.pop() == ["calibrate", "people", str(walk.folder), "--height=178", "--out", people]
    for role in (
        lambda: calibration.set_floor(VIEWS, solved, "cam02", 7),
        lambda: calibration.solve_people(VIEWS, walk, None),
        lambda: calibration.check(VIEWS),
        lambda: calibration.check_people(VIEWS, walk),
        lambda: calibration.film_people(VIEWS),
    ):
        with pytest.raises(ConfigError, match="this link may only view"):
            role()
    with pytest.raises(ConfigError, match="simulated cameras film no people"):
        calibration.film_people(CONTROLS)


def test_wand_is_solved_with_the_lenses_of_the_rig_in_use(
    calibration: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(Calibration, "_run", lambda _, command, good=(0,): commands.append(command))
    monkeypatch.setattr(Calibration, "_begin", lambda _, name, work: work())
    monkeypatch.setattr(Calibration, "records", True)
    monkeypatch.setattr(Filming, "start", lambda *_: None)
    monkeypatch.setattr(Filming, "stop", lambda _: str(tmp_path / "takes" / "wand"))
    calibration.board.parent.mkdir()
    calibration.board.write_text('kind = "wand"\nballs = [0.0, 0.2, 0.5]\ndiameters = [0.05, 0.05, 0.05]\n')
    with pytest.raises(ConfigError, match="nothing of their lenses: calibrate with a printed board first"):
        calibration.film(CONTROLS)
    rig = tmp_path / "rig.toml"
    rig.touch()
    set_rig(tmp_path / "studio.toml", rig)
    calibration.film(CONTROLS)
    with pytest.raises(ConfigError, match="does not say which way is up"):
        calibration.mark_floor(CONTROLS)
    calibration.solve(CONTROLS)
    detected, solved = commands
    assert detected[:4] == ["calibrate", "detect", "--board", str(calibration.board)]
    assert solved[-2:] == ["--lenses", str(rig)]


def test_calibrations_are_listed_whatever_is_in_them(calibration: Calibration) -> None:
    for number, text in enumerate(('{"verdict": "good"}', "[1]", "{")):
        (calibration.folder / f"{number}").mkdir(parents=True)
        (calibration.folder / f"{number}" / "report.json").write_text(text)
    (calibration.folder / "not finished").mkdir()
    assert sorted((one.folder.name, one.report) for one in calibration.solved()) == [
        ("0", {"verdict": "good"}),
        ("1", {}),
        ("2", {}),
    ]


def test_report_goes_to_the_browser_with_its_pictures() -> None:
    cameras = [CameraReport(name="a", size=(4, 3), jpeg=b"12"), CameraReport(name="b", size=(4, 3), jpeg=b"345")]
    data = report_bytes(CaptureReport(cameras=cameras, note="<b>"))
    (size,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + size])
    assert [camera["bytes"] for camera in header["cameras"]] == [2, 3]
    assert data[4 + size :] == b"12345"
    assert all("jpeg" not in camera for camera in header["cameras"])
