"""Cameras that are looked at, or film the board, in a process of their own while the studio stands still."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence

import msgspec

from multiview.errors import ConfigError, MultiviewError
from services.capture.capture_report import CaptureReport, read_reports

__all__ = ["Filming", "report_bytes"]

END_S = 60.0  # for what is recorded to reach the disk
_LENGTH = struct.Struct("<I")


class Filming:
    """At most one capture at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._words: list[str] = []
        self.report = CaptureReport()
        self.number = 0  # counts the reports
        self.take = ""  # what the last one recorded
        self.what = ""

    @property
    def running(self) -> bool:
        """Whether cameras are open."""
        return self._process is not None and self._process.poll() is None

    @property
    def fault(self) -> str:
        """Why the last one ended, if it failed; empty else."""
        failed = self._process is not None and self._process.poll() not in (None, 0, 3)
        return (self._words[-1] if self._words else "it ended without a word") if failed else ""

    def start(self, what: str, command: Sequence[str]) -> None:
        """Run `multiview capture COMMAND --report`; ConfigError if one runs already.

        Args:
            what: What it is for, as `what` says.
            command: The rest.
        """
        if self.running:
            raise ConfigError(f"the cameras are in use: {self.what}")
        self.report, self.take, self.what, self._words = CaptureReport(), "", what, []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "multiview", "capture", *command, "--report"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._read, args=(self._process,), name="filming", daemon=True)
        self._thread.start()
        threading.Thread(target=self._hear, args=(self._process,), name="filming's errors", daemon=True).start()

    def stop(self) -> str:
        """End it, and wait until what it recorded is there: the folder of its take, empty if there is none."""
        if self._process is None:
            return ""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise MultiviewError(f"the cameras have not ended within {END_S:g} s, and were cut off") from None
        if self._thread is not None:
            self._thread.join(END_S)
        return self.take

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            for report in read_reports(process.stdout.read):
                self.report, self.take = report, report.take
                self.number += 1
        except (msgspec.MsgspecError, OSError, ValueError):
            process.terminate()

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            words = line.decode(errors="replace").strip().removeprefix("multiview: ")
            self._words = [*self._words[-20:], *([words] if words else [])]


def report_bytes(report: CaptureReport) -> bytes:
    """A report for static/film_view.js.

    Args:
        report: Which.

    Returns:
        The header's length (uint32, little-endian), the report as JSON in which each camera has the `bytes` of its
        picture instead of it, then the pictures.
    """
    header = msgspec.to_builtins(report, builtin_types=(bytes,))
    for camera in header["cameras"]:
        camera["bytes"] = len(camera.pop("jpeg"))
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + b"".join(camera.jpeg for camera in report.cameras)
