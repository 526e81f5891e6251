"""A GigE Vision camera that Aravis emulates in a process of its own, which can be ended as a camera is unplugged.

python -m benchmarks.emulated_camera 127.0.0.1 GV01
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from multiview.errors import SourceError
from multiview.sources._aravis import load_aravis

ADDRESS = "127.0.0.1"  # of the network card that it listens on: one camera each


@contextlib.contextmanager
def network_camera(serial: str = "GV01") -> Iterator[None]:
    """It answers at ADDRESS until the end of the block; SourceError if it cannot, as when another one does."""
    words = [sys.executable, "-m", "benchmarks.emulated_camera", ADDRESS, serial]
    folder = Path(__file__).parents[1]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "running":
                raise SourceError(f"no camera can be emulated at {ADDRESS}")
            yield
        finally:
            process.kill()


def main(address: str, serial: str) -> None:
    """Emulate it until this process is ended."""
    aravis = load_aravis()
    camera = aravis("arv_gv_fake_camera_new", address.encode(), serial.encode())
    if camera and aravis("arv_gv_fake_camera_is_running", camera):
        print("running", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
