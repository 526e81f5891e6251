"""A program ends with its own status, also where a library is still busy in a thread."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading
import cv2, numpy as np
from multiview.common.blocked_threads import exit_with, join

picture, busy = np.zeros((2000, 2000, 3), np.uint8), threading.Event()

def read():
    while True:  # a camera that never gives its frame: all the time is spent in C++
        busy.set()
        cv2.GaussianBlur(picture, (31, 31), 9)

def run():
    atexit.register(print, "cleaned up")
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    busy.wait()
    print(join(thread, 0.1))
    return 3

sys.exit(exit_with(run))
"""


def test_exit_status_is_kept_while_a_thread_is_blocked() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "False\ncleaned up\n", "")


@pytest.mark.parametrize("status", [0, 2])
def test_exit_status_is_kept_where_all_threads_end(status: int) -> None:
    program = PROGRAM.replace("while True:", "if True:").replace("return 3", f"return {status}").replace("0.1", "60")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (status, "True\ncleaned up\n")
