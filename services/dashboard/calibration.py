"""Calibration from the pages: make a board, film it, solve, and use the rig. Only a session that controls may.

Everything is done by the commands that a terminal has, each a process of its own, in the studio's folder:

    board/                     the board to print
    takes/TAKE                 the recording of it
    calibrations/TAKE/         corners, rig and report; nothing is ever overwritten
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from multiview.errors import ConfigError, MultiviewError
from multiview.recordings.take import Take, free_name
from multiview.studio.config import SyntheticSource
from services.dashboard.access import Session
from services.dashboard.control import Control, check_control
from services.dashboard.filming import Filming
from services.dashboard.studio_file import set_rig

__all__ = ["Calibration", "Sheet", "Solved"]

LINES = 200  # of what a command says, that are kept
BOARD = "film the board"


class Sheet(NamedTuple):
    """What the board is printed on: a paper's name, or a plate of so many mm; squares as columns x rows."""

    paper: str
    plate: tuple[float, float]
    squares: str


class Solved(NamedTuple):
    """A calibration: its folder, and its report.json (empty where there is none)."""

    folder: Path
    report: dict[str, Any]

    @property
    def rig(self) -> Path:
        """The cameras."""
        return self.folder / "rig.toml"


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
        self.solving = ""  # what is being solved
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
        command = ["calibrate", "board", *size, "--squares", sheet.squares, "--out", str(self.board.parent)]
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
        studio = self._control.idle_studio()
        self.floor, self._simulated = {}, isinstance(studio.source, SyntheticSource)
        name = free_name(Path(studio.recorder.directory), f"{studio.name}-board", datetime.now())
        self._filming.start(BOARD, [str(self._control.file), "--board", str(self.board), "--take", name])
        logging.info("filming the board")

    def mark_floor(self, session: Session) -> str:
        """The board lies on the floor now; in which cameras' pictures it was found just now. ConfigError if none films.

        Pictures are searched a little later than they come, so whoever says so is believed; but not of a simulated
        board, of which it is known.
        """
        check_control(session, "say where the floor is")
        report = self._filming.report
        if not self.records:
            raise ConfigError("nothing is filmed yet: wait until the pictures come")
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
        if self.solving:
            raise ConfigError("a calibration is being solved")
        if self._filming.running and (lacks := self._filming.report.lacks):
            raise ConfigError(f"not enough yet: {lacks}")
        take = self._filming.stop()
        if not take:
            raise ConfigError(self._filming.fault or "nothing was filmed: film the board first")
        self.solving, self.lines, self.fault = Path(take).name, [], ""
        threading.Thread(target=self._solve, args=(Take(Path(take)), self.floor), name="solve", daemon=True).start()

    def use(self, session: Session, solved: Solved) -> None:
        """Let the studio use this rig from now on."""
        check_control(session, "choose the rig")
        set_rig(self._control.file, solved.rig)
        logging.info("the studio uses %s", solved.rig)

    def close(self) -> None:
        """End what runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _solve(self, take: Take, floor: dict[str, int]) -> None:
        out = self.folder / take.folder.name
        corners = out / "corners.parquet"
        videos = [str(path) for path in sorted(take.videos.glob("*.mp4"))]
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._run(["calibrate", "detect", "--board", str(self.board), "--out", str(corners), "--videos", *videos])
            where = [f"--floor={camera}={frame}" for camera, frame in floor.items()]
            self._run(["calibrate", "solve", "--corners", str(corners), "--out", str(out), *where], (0, 1))
        except (MultiviewError, OSError) as error:
            self.fault = str(error)
            logging.warning("%s", error)
        finally:
            self.solving = ""

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
