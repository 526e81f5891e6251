"""The viewer's record key: it starts and stops a second recorder process; each pair of presses makes one take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from multiview.recordings.take import free_name
from multiview.studio.studio_file import load_studio
from services.runtime.process import PARENT_VARIABLE

__all__ = ["Recording"]

_FINISH_S = 10.0


class Recording:
    """The recorder process of the take in progress, or none."""

    def __init__(self, studio: Path) -> None:
        self._studio = studio
        self._process: subprocess.Popen[bytes] | None = None
        self._name, self._began = "", 0.0
        # The recorder is started from a thread of this moment, for it takes over how its starter gives way to others,
        # and from a thread that stays, for Linux ends a child that asked for it with the thread that started it.
        self._starter = ThreadPoolExecutor(1)
        self._starter.submit(int).result()
        self._scratch = tempfile.TemporaryDirectory(prefix="multiview-viewer-")
        self._log = Path(self._scratch.name) / "recorder.log"

    def toggle(self) -> str:
        """Start or stop recording; a line that says which."""
        return self.stop() if self._process is not None else self._start()

    def status(self) -> str:
        """State of the recording, or its failure; empty if there is none."""
        if self._process is None:
            return ""
        if self._process.poll() is not None:
            return f"recording failed: {self._last_line()} (press R to dismiss)"
        return f"● {self._name} {time.monotonic() - self._began:.0f} s"

    def stop(self) -> str:
        """Finish the take; returns a message, empty if it failed."""
        process, self._process = self._process, None
        if process is None:
            return ""
        failed = process.poll() is not None
        if not failed:
            process.terminate()
            try:
                process.wait(_FINISH_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return "" if failed else f"saved take {self._name}"

    def close(self) -> None:
        """Stop the recording, if any, and release resources."""
        self.stop()
        self._starter.shutdown()
        self._scratch.cleanup()

    def _start(self) -> str:
        studio = load_studio(self._studio, check=False)
        self._name = free_name(Path(studio.recorder.directory), studio.name, datetime.now())
        self._began = time.monotonic()
        command = ["record", str(self._studio), "--take", self._name, "--secondary"]
        self._process = self._starter.submit(self._begin, command).result()
        return f"recording {self._name}"

    def _begin(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "multiview", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
                start_new_session=True,  # a share of its own; and Ctrl-C reaches the viewer alone, which ends it
            )

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("multiview: ") if lines else "it printed nothing"
