"""A disk that is too slow for the videos is named before they are recorded."""

from __future__ import annotations

import pytest

from services.capture.disk_speed import needed_speed, speed_warning


def test_needed_speed_is_that_of_all_cameras() -> None:
    four = [((1920, 1080), 60.0)] * 4
    assert needed_speed(four, lossless=True) == pytest.approx(4 * 1920 * 1080 * 60 * 2e-6)
    assert needed_speed([((100, 100), 0.0)], lossless=True) == pytest.approx(0.6)  # of unknown rate
    assert needed_speed(four, lossless=False) < needed_speed(four, lossless=True)


def test_slow_disk_is_named_with_what_to_do() -> None:
    assert speed_warning(1000.0, 995.0, lossless=True) == ""
    assert "writes 120 MB/s, the videos may need 995 MB/s: leave out --lossless" in speed_warning(120.0, 995.4, True)
    assert "--lossless" not in speed_warning(20.0, 74.0, False)
