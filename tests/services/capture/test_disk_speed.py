"""A disk that is too slow for the videos is named before they are recorded."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from services.capture.disk_speed import disk_speed, needed_speed, speed_warning


class Usage(NamedTuple):
    free: int


def no_room(**_: object) -> None:
    raise OSError(28, "No space left on device")


def test_disk_without_room_to_measure_its_speed_is_recorded_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits is worth more than a measurement of how fast it would be written."""
    assert 0 < disk_speed(tmp_path) < math.inf
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(7 << 20))
    assert disk_speed(tmp_path) == math.inf
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40))
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", no_room)
    assert disk_speed(tmp_path) == math.inf
    assert list(tmp_path.iterdir()) == []


def test_needed_speed_is_that_of_all_cameras() -> None:
    four = [((1920, 1080), 60.0)] * 4
    assert needed_speed(four, lossless=True) == pytest.approx(4 * 1920 * 1080 * 60 * 2e-6)
    assert needed_speed([((100, 100), 0.0)], lossless=True) == pytest.approx(0.6)  # of unknown rate
    assert needed_speed(four, lossless=False) < needed_speed(four, lossless=True)


def test_slow_disk_is_named_with_what_to_do() -> None:
    assert speed_warning(1000.0, 995.0, lossless=True) == ""
    assert "writes 120 MB/s, the videos may need 995 MB/s: leave out --lossless" in speed_warning(120.0, 995.4, True)
    assert "--lossless" not in speed_warning(20.0, 74.0, False)
