"""A picture whose file promises more pixels than any camera has costs no memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.peak_memory import forget_peak, peak_mb
from multiview.common.picture_file import decode_picture

PROGRAM = """
import sys
from benchmarks.peak_memory import peak_mb
from multiview.__main__ import main
code = main(["calibrate", "board", "--own", sys.argv[1], "--square", "40", "--out", sys.argv[2]])
print(code, peak_mb())
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
    code, peak = said.stdout.split()[-2:]
    assert code == "2"
    assert "board.jpg" in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert float(peak) < 500  # its pixels would be 3 GB


def test_chunk_of_a_png_that_is_longer_than_the_file_costs_no_memory() -> None:
    """Its four gigabytes would be taken before the end of the file is noticed."""
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    data = cv2.imencode(".png", picture)[1]
    np.testing.assert_array_equal(decode_picture(data, cv2.IMREAD_COLOR), picture)
    start = 8 + 8 + 13 + 4  # behind the signature and the header's chunk
    forget_peak()
    before = peak_mb()
    for length in (2**32 - 1, 2**31 - 1, len(data)):
        longer = data.copy()
        longer[start : start + 4] = np.frombuffer(length.to_bytes(4, "big"), np.uint8)
        assert decode_picture(longer, cv2.IMREAD_COLOR) is None
    assert peak_mb() - before < 100


def test_what_is_no_picture_is_none() -> None:
    for content in (b"", b"\0", b"\x89PNG\r\n\x1a\n", b"text"):
        assert decode_picture(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is None
