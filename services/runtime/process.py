"""How a service process lives and ends; the one home of calls that only some systems have."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import logging
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

__all__ = [
    "PARENT_VARIABLE",
    "WHERE",
    "Stopping",
    "begin_service",
    "come_first",
    "yield_as_a_whole",
    "yield_to_others",
]

# Set by whoever starts a service and wants it to end with them.
PARENT_VARIABLE = "MULTIVIEW_PARENT"
WHERE: signal.Signals | None = getattr(signal, "SIGUSR1", None)
_STDERR = 2  # the stream itself, whatever stands for it in Python
_PR_SET_PDEATHSIG = 1
_NICER = 3  # half the share of whoever was not asked to be nice


class Stopping:
    """True once the process was told to end (SIGTERM, SIGINT)."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: self._event.set())

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep, at most until told to end; whether that was so."""
        return self._event.wait(max(0.0, timeout_s))


class _JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), service, level, message and, after an exception, its trace."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "service": self._service,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def begin_service(name: str, json_lines: bool = False) -> None:
    """Log to stderr under this name, as text or as JSON lines, and end when the parent that asked for it does.

    Asked by the signal `WHERE`, where the system has it, the process writes there what its threads are at.
    """
    if WHERE is not None:
        faulthandler.register(WHERE, file=_STDERR)
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter(f"%(asctime)s {name} %(levelname)s %(message)s")
    handler.setFormatter(_JsonLines(name) if json_lines else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    parent = os.environ.get(PARENT_VARIABLE, "")
    if parent.isdigit():
        _end_with(int(parent))


def yield_to_others(steps: int = _NICER) -> None:
    """Let this thread give way to the others of a busy machine, where the system tells threads apart."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + steps)


def yield_as_a_whole(steps: int = _NICER) -> None:
    """Let this process give way to the others of a busy machine.

    Linux shares the processor among sessions first (automatic groups, sched(7)), and equally, however nice the
    processes in them are. So who leads a session makes it nice; a terminal's session is left as it is.
    """
    yield_to_others(steps)
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without such groups
            Path("/proc/self/autogroup").write_text(str(steps))


def come_first() -> None:
    """Let this thread, and those it will start, run as soon as there is something to do, where the system allows it.

    For what works in short bursts alone: a round-robin thread goes before all ordinary ones. Niceness would not do:
    Linux shares the processor among sessions first, and every service has one of its own. Linux lets the superuser do
    this, and whom `RLIMIT_RTPRIO` (LimitRTPRIO= of systemd, `ulimit -r`) allows it.
    """
    if sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)
    elif os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
