"""Start, stop and scheduling of a service process, with all calls that only some operating systems have."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import faulthandler
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from multiview.common.printable import PrintableLines

__all__ = [
    "DUMP_SIGNAL",
    "PARENT_VARIABLE",
    "TOLD_TO_END",
    "RealtimePriority",
    "Stopping",
    "allow_open_files",
    "begin_service",
    "finishing",
    "give_memory_back",
    "lower_process_priority",
    "lower_thread_priority",
    "realtime_scheduling",
    "use_realtime_scheduling",
]

# Set by whoever starts a service and wants it to end with them.
PARENT_VARIABLE = "MULTIVIEW_PARENT"
TOLD_TO_END = 128 + 15  # exit status of a source's process that was told to end while its source still played
DUMP_SIGNAL: signal.Signals | None = getattr(signal, "SIGUSR1", None)
_SIGHUP = getattr(signal, "SIGHUP", None)  # the terminal is gone
_STDERR = 2  # the stream itself, whatever stands for it in Python
_PR_SET_PDEATHSIG = 1
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # mallopt(3)
_LARGE = 128 * 1024  # bytes
_NICE_STEP = 3  # half the share of a process at the default priority


class Stopping:
    """A flag that is True once the process has been asked to end (SIGTERM, SIGINT, SIGHUP)."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in _ending_signals():
            signal.signal(number, lambda *_: self._event.set())

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep; returns True at once if the process is told to stop."""
        return self._event.wait(max(0.0, timeout_s))


def _ending_signals() -> list[signal.Signals]:
    """Those that ask a process to end, less one that whoever started it told it to ignore (nohup)."""
    there = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP") if hasattr(signal, name)]
    return [number for number in there if number != _SIGHUP or signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """Meanwhile signals to end are ignored: what ends already must not be cut off. For short work in the main thread.

    In another thread nothing changes: signals never reach it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _JsonLines(logging.Formatter):
    """Formats a log record as one JSON line: time (UTC), service, level, message and, after an exception, its trace."""

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

    On `DUMP_SIGNAL`, where the system has it, the process writes the stacks of its threads there.
    """
    if DUMP_SIGNAL is not None:
        faulthandler.register(DUMP_SIGNAL, file=_STDERR)
    handler = logging.StreamHandler(sys.stderr)
    text = PrintableLines(f"%(asctime)s {name} %(levelname)s %(message)s")
    handler.setFormatter(_JsonLines(name) if json_lines else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    parent = os.environ.get(PARENT_VARIABLE, "")
    if parent.isdigit():
        _exit_with_parent(int(parent))


def allow_open_files(count: int) -> None:
    """Let this process open so many files, as far as the system permits."""
    if os.name == "posix":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def give_memory_back() -> None:
    """From now on what is freed goes back to the system as soon as it can, where the C library is GNU's.

    By itself it keeps blocks as large as the largest that was ever freed, up to 32 MB, and gives each thread memory of
    its own, which another thread's frees leave in pieces.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE)
            mallopt(_M_ARENA_MAX, 1)


def lower_thread_priority(steps: int = _NICE_STEP) -> None:
    """Lower the priority of this thread, where the system has priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + steps)


def lower_process_priority(steps: int = _NICE_STEP) -> None:
    """Lower the priority of this process.

    Linux shares the processor among sessions first (automatic groups, sched(7)), and equally, however nice the
    processes in them are. So a session leader lowers the whole session; a terminal's session is left as it is.
    """
    lower_thread_priority(steps)
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without such groups
            Path("/proc/self/autogroup").write_text(str(steps))


class RealtimePriority(enum.IntEnum):
    """Who comes first among threads that are scheduled in real time: steps above the least such priority."""

    CAMERA = 0
    PIPELINE = 1  # fusion and the hub's sockets, on which all cameras wait
    HUB = 2


def use_realtime_scheduling(priority: RealtimePriority = RealtimePriority.PIPELINE, thread: int = 0) -> None:
    """Schedule this thread, and those it will start, round-robin before all ordinary threads, as far as permitted.

    Only for threads that work in short bursts. A lower nice value would not do: Linux shares the processor among
    sessions first, and every service has one of its own. Linux permits it to the superuser and within `RLIMIT_RTPRIO`
    (LimitRTPRIO= of systemd, `ulimit -r`).
    """
    if sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        least = os.sched_get_priority_min(os.SCHED_RR)
        for step in range(priority, -1, -1):
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(least + step))
                return


@contextlib.contextmanager
def realtime_scheduling(priority: RealtimePriority) -> Iterator[None]:
    """Meanwhile this thread is scheduled as by `use_realtime_scheduling`; threads that it starts stay so."""
    use_realtime_scheduling(priority)
    try:
        yield
    finally:
        if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_RR:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _exit_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)
    elif os.name == "posix":
        threading.Thread(target=_poll_parent, args=(parent,), daemon=True).start()


def _poll_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
