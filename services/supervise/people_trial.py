"""One try to calibrate from the people of a take that is still being recorded: `calibrate people` in a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from multiview.common.atomic_file import writing

__all__ = ["PeopleTrial"]

_END_S = 5.0


class PeopleTrial:
    """A running or finished try.

    Args:
        take: With the keypoints so far.
        options: Further words of the command.
        out: An empty folder for the rig, the reports and what the command says.
    """

    def __init__(self, take: Path, options: list[str], out: Path) -> None:
        self.out = out
        out.mkdir(parents=True)
        command = ["calibrate", "people", str(take), *options, "--pairs", str(self._pairs), "--out", str(out)]
        with writing(self._log).open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "multiview", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the launcher alone
            )

    @property
    def _pairs(self) -> Path:
        return self.out / "pairs.json"

    @property
    def _log(self) -> Path:
        return self.out / "calibrate.log"

    @property
    def running(self) -> bool:
        """Whether it still computes."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it, whatever it computes."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def agreeing(self) -> list[tuple[str, str]]:
        """Pairs of cameras that agree on somebody."""
        found = _json(self._pairs) or []
        return [(pair["a"], pair["b"]) for pair in found if pair["agree"]]

    @property
    def report(self) -> dict[str, Any]:
        """Its report.json; empty where no rig came out."""
        rig = self.out / "rig.toml"
        return (_json(self.out / "report.json") or {}) if rig.is_file() and not self.running else {}

    @property
    def usable(self) -> bool:
        """Whether the rig may be used."""
        return self.report.get("verdict") in ("good", "usable")

    @property
    def why(self) -> str:
        """Why its rig may not be used, or why there is none."""
        if report := self.report:
            return "; ".join([*report["reasons"], *report["advice"]])
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("multiview: ") if lines else "nothing came out"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, as where it was refused
        return None
