"""A picture whose file promises more pixels than any camera has costs no memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("resource")
PROGRAM = """
import resource, sys
from multiview.__main__ import main
code = main(["calibrate", "board", "--own", sys.argv[1], "--square", "40", "--out", sys.argv[2]])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_picture_that_promises_a_billion_pixels_is_refused_without_reading_them(tmp_path: Path) -> None:
    data = bytearray(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    frame = data.index(b"\xff\xc0")  # start of frame: length, bits, height, width
    data[frame + 5 : frame + 9] = (32_000).to_bytes(2, "big") * 2
    path = tmp_path / "board.jpg"
    path.write_bytes(data)
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "board.toml")],
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak_kb = said.stdout.split()[-2:]
    assert code == "2"
    assert "board.jpg" in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert int(peak_kb) < 500_000  # its pixels would be 3 GB
