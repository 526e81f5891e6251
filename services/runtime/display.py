"""A virtual display (Xvfb) for programs that draw on machines without a display."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiview.errors import MultiviewError

__all__ = ["draws_in_software", "has_display", "virtual_display"]


def has_display() -> bool:
    """Whether a window can be opened here."""
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def draws_in_software() -> bool:
    """True if no graphics card is available for drawing."""
    return sys.platform == "linux" and not any(Path("/dev/dri").glob("renderD*")) and not Path("/dev/nvidia0").exists()


@contextmanager
def virtual_display(width: int = 1920, height: int = 1200) -> Iterator[None]:
    """While it lasts, DISPLAY is a screen in memory; does nothing where there is a display already.

    Raises MultiviewError if Xvfb is not installed or does not start.
    """
    if has_display():
        yield
        return
    if shutil.which("Xvfb") is None:
        raise MultiviewError("no display here, and no Xvfb to draw without one: apt-get install xvfb libgl1-mesa-dri")
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise MultiviewError("Xvfb did not start; try: Xvfb :99 -screen 0 1280x720x24")
        os.environ["DISPLAY"] = f":{number}"
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # GLFW asks for it, and complains
        yield
    finally:
        os.environ.pop("DISPLAY", None)
        process.terminate()
        process.wait()
