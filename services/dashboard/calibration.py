"""Calibration from the pages: make a board, film it or people, solve, check, use the rig. Only a session that controls.

Everything is done by the commands that a terminal has, each a process of its own, in the studio's folder:

    board/                     the board to print
    takes/TAKE                 the recording of it
    calibrations/NAME/         corners, rig and report; nothing is ever overwritten. NAME is the take's, TAKE-people of
                               people, TAKE-floor where the floor was chosen afterwards
"""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from multiview.common.toml import read_toml
from multiview.errors import ConfigError, MultiviewError
from multiview.recordings.take import Take, free_name
from multiview.studio.config import SyntheticSource
from services.dashboard.access import Session
from services.dashboard.control import Control, check_control
from services.dashboard.filming import Filming
from services.dashboard.studio_file import set_rig

__all__ = ["BOARD", "PEOPLE", "Calibration", "Sheet", "Solved"]

LINES = 200  # of what a command says, that are kept
FLOOR = "-floor"
BOARD, PEOPLE = "film the board", "film people"
NO_RIG = "there is no rig in use yet to be checked: calibrate first"
NO_LENSES = (
    "a wand tells where cameras are, and nothing of their lenses: calibrate with a printed board first, use that rig, "
    "then film the wand"
)
NO_UP = "a wand on the floor does not say which way is up"


class Sheet(NamedTuple):
    """What the board is printed on: a paper's name, or a plate of so many mm; columns x rows of squares or circles; and
    which kind of board it is, one of those that `multiview calibrate board` prints."""

    paper: str
    plate: tuple[float, float]
    counts: str
    kind: str = "charuco"


class Solved(NamedTuple):
    """A calibration: its folder, and its report.json (empty where there is none)."""

    folder: Path
    report: dict[str, Any]

    @property
    def rig(self) -> Path:
        """The cameras."""
        return self.folder / "rig.toml"

    @property
    def corners(self) -> Path:
        """The board's corners, where it was made with a board."""
        return self.folder / "corners.parquet"

    @property
    def take(self) -> str:
        """The folder of the take in which the board was filmed."""
        return self.folder.name.partition(FLOOR)[0]


class Calibration:
    """The calibrations of one studio's folder.

    Args:
        control: Of the studio.
        filming: Films the board.
    """

    def __init__(self, control: Control, filming: Filming) -> None:
        self._control, self._filming = control, filming
        self.board = control.folder / "board" / "board.toml"
        self._making = threading.Lock()  # a board, whose files come one after the other
        self.floor: dict[str, int] = {}  # the frames of each camera in which the board lies on the floor
        self._simulated = False  # what is filmed
        self.solving = ""  # what is being solved, or checked
        self.checked: list[str] = []  # what the last check of the rig in use said
        self.lines: list[str] = []  # what the commands said
        self.fault = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Of the calibrations."""
        return self._control.folder / "calibrations"

    @property
    def sheet(self) -> Path:
        """The board to print."""
        return self.board.with_name("board.pdf")

    @property
    def has_board(self) -> bool:
        """Whether there is a board to film."""
        return self.board.is_file() and not self._making.locked()

    @property
    def is_wand(self) -> bool:
        """Whether what is filmed is a wand, which knows neither lenses nor a floor."""
        try:
            return read_toml(self.board).get("kind") == "wand"
        except ConfigError:  # which is told where the board is used
            return False

    @property
    def records(self) -> bool:
        """Whether the board is filmed, and frames are there."""
        filming = self._filming
        return filming.running and filming.what == BOARD and any(camera.frames for camera in filming.report.cameras)

    def solved(self) -> list[Solved]:
        """Every calibration here, the newest first."""
        folders = [path for path in self.folder.glob("*") if (path / "report.json").is_file()]
        folders.sort(key=lambda path: (path / "report.json").stat().st_mtime, reverse=True)
        return [Solved(path, _report(path)) for path in folders]

    def make_board(self, session: Session, sheet: Sheet) -> str:
        """Make the board's files; what the command says. ConfigError if the board does not fit."""
        check_control(session, "make a board")
        size = (
            ["--plate", f"{sheet.plate[0]:g}x{sheet.plate[1]:g}"]
            if sheet.paper == "plate"
            else ["--paper", sheet.paper]
        )
        counts = ["--circles" if sheet.kind == "circles" else "--squares", sheet.counts]
        command = ["calibrate", "board", "--kind", sheet.kind, *size, *counts, "--out", str(self.board.parent)]
        with self._making:
            done = subprocess.run(
                [sys.executable, "-m", "multiview", *command], capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise ConfigError(_last_line(done.stderr) or "the board could not be made")
        return done.stdout.partition("\n")[0]

    def film(self, session: Session) -> None:
        """Begin to film the board. ConfigError if there is none, or the studio uses the cameras."""
        check_control(session, BOARD)
        if not self.has_board:
            raise ConfigError("make the board first")
        self._lenses()  # before somebody waves a wand for minutes
        studio = self._control.idle_studio()
        self.floor, self._simulated = {}, isinstance(studio.source, SyntheticSource)
        name = free_name(Path(studio.recorder.directory), f"{studio.name}-board", datetime.now())
        self._filming.start(BOARD, [str(self._control.file), "--board", str(self.board), "--take", name])
        logging.info("filming the board")

    def film_people(self, session: Session) -> None:
        """Begin to film people; ConfigError if the cameras are simulated, or in use."""
        check_control(session, PEOPLE)
        studio = self._control.idle_studio()
        if isinstance(studio.source, SyntheticSource):
            raise ConfigError("simulated cameras film no people: record a take on the page Live, and choose it here")
        name = free_name(Path(studio.recorder.directory), f"{studio.name}-people", datetime.now())
        self._filming.start(PEOPLE, [str(self._control.file), "--take", name])
        logging.info("filming people")

    def mark_floor(self, session: Session) -> str:
        """The board lies on the floor now; in which cameras' pictures it was found just now. ConfigError if none films.

        Pictures are searched a little later than they come, so whoever says so is believed; but not of a simulated
        board, of which it is known.
        """
        check_control(session, "say where the floor is")
        report = self._filming.report
        if not self.records:
            raise ConfigError("nothing is filmed yet: wait until the pictures come")
        if self.is_wand:
            raise ConfigError(NO_UP)
        if not report.scene and self._simulated:
            raise ConfigError(
                "the simulated board does not lie on the floor now: wait until the page says that it does"
            )
        self.floor = {camera.name: camera.frames - 1 for camera in report.cameras if camera.frames}
        return ", ".join(camera.name for camera in report.cameras if camera.corners)

    def leave(self, session: Session) -> str:
        """End filming, and solve nothing; the take that was filmed."""
        check_control(session, "end filming")
        return Path(self._filming.stop()).name

    def solve(self, session: Session) -> None:
        """End filming, and solve what was filmed, in a thread: `solving`, `lines` and `fault` tell how it goes."""
        check_control(session, "solve")
        if self._filming.running and (lacks := self._filming.report.lacks):
            raise ConfigError(f"not enough yet: {lacks}")
        take = self._end_filming()
        floor = [f"--floor={camera}={frame}" for camera, frame in self.floor.items()]
        out, more = self.folder / take.folder.name, [*floor, *self._lenses()]
        self._begin(take.folder.name, lambda: self._solve(take, out, more))

    def solve_people(self, session: Session, take: Take, height_cm: float | None) -> None:
        """Calibrate from the people of a take, in a thread as `solve`.

        Args:
            session: Who asks.
            take: With recorded keypoints, or videos.
            height_cm: Stature of the tallest person; None where it is not known.
        """
        check_control(session, "calibrate from people")
        height = [] if height_cm is None else [f"--height={height_cm:g}"]
        out = self._free(f"{take.folder.name}-people")
        command = ["calibrate", "people", str(take.folder), *height, "--out", str(out)]
        self._begin(out.name, lambda: self._run(command, (0, 1)))

    def set_floor(self, session: Session, solved: Solved, camera: str, frame: int) -> None:
        """Solve again with the floor where the board lies in a camera's frame, in a thread as `solve`."""
        check_control(session, "say where the floor is")
        if not solved.corners.is_file():
            raise ConfigError(f"{solved.folder}: it was made without a board: film the board, and lay it on the floor")
        if self.is_wand:
            raise ConfigError(NO_UP)
        out = self._free(f"{solved.take}{FLOOR}")
        floor = [f"--floor={camera}={frame}"]
        command = ["calibrate", "solve", "--corners", str(solved.corners), "--out", str(out), *floor]
        self._begin(out.name, lambda: self._run(command, (0, 1)))

    def check(self, session: Session) -> None:
        """End filming the board, and check whether the rig in use still fits, in a thread: `checked` has the answer."""
        check_control(session, "check the rig")
        rig = self._rig_in_use()
        take = self._end_filming()
        videos = [str(path) for path in sorted(take.videos.glob("*.mp4"))]
        command = ["calibrate", "check", "--rig", str(rig), "--board", str(self.board), "--videos", *videos]
        self._begin(f"check with {take.folder.name}", lambda: self._check(command))

    def check_people(self, session: Session, take: Take) -> None:
        """Check the rig in use against the people of a take, in a thread as `check`."""
        check_control(session, "check the rig")
        rig, out = self._rig_in_use(), self._free(f"{take.folder.name}-people")
        command = ["calibrate", "people", str(take.folder), "--against", str(rig), "--out", str(out)]
        self._begin(f"check with {take.folder.name}", lambda: self._check(command))

    def use(self, session: Session, solved: Solved) -> None:
        """Let the studio use this rig from now on."""
        check_control(session, "choose the rig")
        set_rig(self._control.file, solved.rig)
        logging.info("the studio uses %s", solved.rig)

    def close(self) -> None:
        """End what runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _rig_in_use(self, otherwise: str = NO_RIG) -> Path:
        """ConfigError, which says `otherwise`, where there is none."""
        studio = self._control.studio()
        if studio is None or not studio.rig or not Path(studio.rig).is_file():
            raise ConfigError(otherwise)
        return Path(studio.rig)

    def _lenses(self) -> list[str]:
        """The lenses that a wand needs: those of the rig in use."""
        return ["--lenses", str(self._rig_in_use(NO_LENSES))] if self.is_wand else []

    def _end_filming(self) -> Take:
        """End filming; what was filmed."""
        self._check_idle()
        take = self._filming.stop()
        if not take:
            raise ConfigError(self._filming.fault or "nothing was filmed: film the board first")
        return Take(Path(take))

    def _free(self, name: str) -> Path:
        """A folder that is not there yet."""
        numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        return next(path for one in numbered if not (path := self.folder / one).exists())

    def _check_idle(self) -> None:
        if self.solving:
            raise ConfigError(f"{self.solving} is being calculated: wait until it is there")

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        """Do it in a thread."""
        self._check_idle()
        self.solving, self.lines, self.fault = name, [], ""
        threading.Thread(target=self._do, args=(work,), name="solve", daemon=True).start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
            work()
        except (MultiviewError, OSError) as error:
            self.fault = str(error)
            logging.warning("%s", error)
        finally:
            self.solving = ""

    def _solve(self, take: Take, out: Path, more: list[str]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        corners = out / "corners.parquet"
        videos = [str(path) for path in sorted(take.videos.glob("*.mp4"))]
        self._run(["calibrate", "detect", "--board", str(self.board), "--out", str(corners), "--videos", *videos])
        self._run(["calibrate", "solve", "--corners", str(corners), "--out", str(out), *more], (0, 1))

    def _check(self, command: list[str]) -> None:
        self.checked = []
        self._run(command, (0, 1))
        self.checked = self.lines

    def _run(self, command: list[str], good: tuple[int, ...] = (0,)) -> None:
        """One command; what it says is kept, and its last words if it fails."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "multiview", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.lines = [*self.lines[-LINES:], text] if text else self.lines
        if self._process.wait() not in good:
            raise MultiviewError(self.lines[-1].removeprefix("multiview: ") if self.lines else f"{command[1]} failed")


def _report(folder: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("multiview: ") if lines else ""
