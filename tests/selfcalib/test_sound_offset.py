"""Sounds that two cameras have heard tell how much later one of them began; others tell nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from multiview.selfcalib.linear_timecode import read_timecode
from multiview.selfcalib.sound_offset import sound_offset
from tests.sound import RATE_HZ, linear_timecode, room


@pytest.mark.parametrize("seconds", [4.0, 30.0])
def test_sound_offset_is_found_to_a_part_of_a_millisecond(seconds: float) -> None:
    """Both hear the room and noise of their own; one begins 1.2 s and a third of a sample later, louder, inverted."""
    rng = np.random.default_rng(3)
    late = 1.2 + 1 / (3 * RATE_HZ)
    heard = room(seconds, rng)
    spectrum, hz = np.fft.rfft(heard), np.fft.rfftfreq(len(heard), 1 / RATE_HZ)
    moved = -2.0 * np.fft.irfft(spectrum * np.exp(2j * np.pi * hz * late), len(heard))[: -round(1.3 * RATE_HZ)]
    noisy = [one + 0.01 * rng.standard_normal(len(one)) for one in (moved, heard)]
    found = sound_offset(noisy[0], noisy[1], RATE_HZ)
    back = sound_offset(noisy[1], noisy[0], RATE_HZ)
    assert found is not None
    assert back is not None
    for one, truth in ((found, late), (back, -late)):
        assert one.sigma_s < 2e-4
        assert abs(one.offset_s - truth) < min(3 * one.sigma_s, 1e-4)


def test_sound_offset_of_clocks_that_run_apart_is_as_uncertain_as_they_are_apart() -> None:
    """100 ppm over 50 s are 5 ms."""
    rng = np.random.default_rng(4)
    heard = room(50.0, rng)
    own = np.interp(np.arange(len(heard)) * (1 + 100e-6), np.arange(len(heard)), heard)
    found = sound_offset(own, heard, RATE_HZ)
    assert found is not None
    assert 0.0 < found.offset_s < 0.005
    assert found.sigma_s == pytest.approx(0.005 / np.sqrt(12), rel=0.5)


def test_sound_offset_is_none_where_nothing_is_shared() -> None:
    rng = np.random.default_rng(5)
    heard, other, silent = room(10.0, rng), room(10.0, rng), np.zeros(10 * RATE_HZ)
    assert sound_offset(heard, other, RATE_HZ) is None
    assert sound_offset(heard, silent, RATE_HZ) is None
    assert sound_offset(silent, silent, RATE_HZ) is None
    beep = np.sin(2 * np.pi * 1000 * np.arange(10 * RATE_HZ) / RATE_HZ)
    ticking = np.where(np.arange(len(beep)) % (RATE_HZ // 2) < 2000, beep, 0.0)
    assert sound_offset(ticking[7000:], ticking + 0.001 * other, RATE_HZ) is None  # fits in many places


@pytest.mark.parametrize("fps", [24, 25, 30])
def test_timecode_in_sound_is_read(fps: int) -> None:
    rng = np.random.default_rng(6)
    first = (10 * 3600 + 59 * 60 + 58) * fps + 3
    wave = linear_timecode(first, 2 * fps, Fraction(fps), begin_s=0.4)
    smooth = np.convolve(wave, np.ones(3) / 3, "same") + 0.02 * rng.standard_normal(len(wave))
    found = read_timecode(smooth, RATE_HZ)
    assert found is not None
    words, rate = found
    assert rate == fps
    assert len(words) > 1.5 * fps
    for word in words:
        number = round((word.at / RATE_HZ - 0.4) * fps)
        seconds, own = divmod(first + number, fps)
        assert word.text == f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{own:02}"
        assert word.at == pytest.approx((0.4 + number / fps) * RATE_HZ, abs=2.0)


def test_timecode_of_television_is_told_from_whole_rates() -> None:
    for fps in (Fraction(30000, 1001), Fraction(24000, 1001)):
        found = read_timecode(linear_timecode(1000, 60, fps), RATE_HZ)
        assert found is not None
        assert found[1] == pytest.approx(float(fps), abs=1e-6)


def test_timecode_is_none_in_other_sounds() -> None:
    rng = np.random.default_rng(7)
    tone = np.sign(np.sin(2 * np.pi * 1000 * np.arange(5 * RATE_HZ) / RATE_HZ))
    for other in (room(5.0, rng), rng.standard_normal(5 * RATE_HZ), tone, np.zeros(RATE_HZ), np.zeros(0)):
        assert read_timecode(other, RATE_HZ) is None
