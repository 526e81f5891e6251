"""Threads that did not end in time since a library is blocked in them, such as a driver whose camera is gone.

Python stops what still runs at its end in the middle of a library's code, at which C++ ends the whole process with
SIGABRT: whatever was done, its exit status would say that it crashed.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

__all__ = ["exit_with", "join"]

_blocked: list[threading.Thread] = []


def join(thread: threading.Thread, timeout_s: float) -> bool:
    """Wait for a thread's end; False if it did not come, which `exit_with` heeds."""
    thread.join(timeout_s)
    if thread.is_alive():
        _blocked.append(thread)
    return not thread.is_alive()


def exit_with(run: Callable[[], int]) -> int:
    """Run a program; where threads are blocked at its end, the process ends at once, with this status all the same.

    Args:
        run: The program; what it registers with `atexit` is still done.

    Returns:
        The exit status.
    """
    status = 1

    def end() -> None:
        if any(thread.is_alive() for thread in _blocked):
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(status)

    atexit.register(end)  # before all others, so that it comes last
    status = run()
    return status
