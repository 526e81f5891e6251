"""Linear timecode (LTC): the time of day as sound, 80 bits to a frame of film, which a cable brings into every camera.

Bits are written by biphase mark: the signal changes at the border of every bit, and in the middle of a 1. A frame's
word ends with 16 bits that occur nowhere else.

Reference: SMPTE ST 12-1, Time and Control Code.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64

__all__ = ["TimecodeWord", "read_timecode"]

WORD = 80
SYNC = np.array([int(bit) for bit in "0011111111111101"], bool)
RATES = (24.0, 24000 / 1001, 25.0, 30.0, 30000 / 1001)
BITS_HZ = (23.0 * WORD, 31.0 * WORD)  # of them all
LONG = 0.75  # of a bit: an interval that is longer is a whole one
QUIET = 0.2  # of the loudest: below it a change of sign is noise
LEAST_WORDS = 5  # in a row: any sound may look like one


@dataclass(frozen=True, slots=True)
class TimecodeWord:
    """One frame's word: its text (";" before the frames where numbers are dropped), and where it begins, in samples."""

    text: str
    at: float


def read_timecode(samples: Float[np.ndarray, " N"], rate_hz: float) -> tuple[list[TimecodeWord], float] | None:
    """The words in a channel of sound, and their frames per second.

    Args:
        samples: Of one channel.
        rate_hz: Of it, Hz; at least 16 kHz.

    Returns:
        None where it is no timecode.
    """
    crossings = _crossings(samples)
    if len(crossings) < LEAST_WORDS * WORD:
        return None
    bits, at, bit_samples = _bits(crossings, rate_hz)
    if len(bits) < LEAST_WORDS * WORD:
        return None
    view = np.lib.stride_tricks.sliding_window_view(bits, len(SYNC))
    ends = np.flatnonzero((view == SYNC).all(axis=1))
    words = [
        TimecodeWord(text, float(at[end - 64]))
        for end in ends
        if end >= 64 and (text := _text(bits[end - 64 : end])) is not None
    ]
    frame = WORD * bit_samples
    whole = [a for a, b in pairwise(words) if abs(b.at - a.at - frame) < 0.1 * frame and _follows(a.text, b.text)]
    if len(whole) < LEAST_WORDS - 1:
        return None
    measured = rate_hz / float(np.median([b.at - a.at for a, b in pairwise(whole) if b.at - a.at < 1.5 * frame] or [0]))
    return whole, min(RATES, key=lambda fps: abs(fps - measured))


def _follows(text: str, later: str) -> bool:
    """Whether a frame's number is the next one; of a new second it is 0, or 2 where numbers are dropped."""
    return int(later[-2:]) in ({int(text[-2:]) + 1} if text[:8] == later[:8] else {0, 2})


def _crossings(samples: Float[np.ndarray, " N"]) -> Float64[np.ndarray, " K"]:
    """Where the signal changes its sign for good, between samples."""
    if not len(samples) or not np.any(samples):
        return np.zeros(0)
    x = np.asarray(samples, float) - float(np.mean(samples))
    level = QUIET * float(np.percentile(np.abs(x), 95))
    loud = np.flatnonzero(np.abs(x) > level)
    up = x[loud] > 0
    change = np.flatnonzero(up[1:] != up[:-1])
    before, after = loud[change], loud[change + 1]
    share = x[before] / (x[before] - x[after])
    crossings: Float64[np.ndarray, " K"] = before + share * (after - before)
    return crossings


def _bits(
    crossings: Float64[np.ndarray, " K"], rate_hz: float
) -> tuple[Bool[np.ndarray, " B"], Float64[np.ndarray, " B"], float]:
    """Each bit and where it begins, and how long one is; none where intervals are not those of timecode."""
    none = np.zeros(0, bool), np.zeros(0), 0.0
    steps = np.diff(crossings)
    shortest, longest = rate_hz / BITS_HZ[1], rate_hz / BITS_HZ[0]
    whole = steps[(steps > 0.8 * shortest) & (steps < 1.2 * longest)]
    if len(whole) < LEAST_WORDS * WORD / 4:
        return none
    bit = float(np.median(whole))
    if not 0.95 * shortest < bit < 1.05 * longest:
        return none
    bits, at, i = [], [], 0
    while i < len(steps):
        is_one = i + 1 < len(steps) and steps[i] < LONG * bit and steps[i + 1] < LONG * bit
        bits.append(is_one)
        at.append(crossings[i])
        i += 2 if is_one else 1
    return np.array(bits), np.array(at), bit


def _text(bits: Bool[np.ndarray, " 64"]) -> str | None:
    """The time of a word's first 64 bits; None where it is none."""
    frames, seconds = _tens_and_units(bits, 8, 2), _tens_and_units(bits, 24, 3)
    minutes, hours = _tens_and_units(bits, 40, 3), _tens_and_units(bits, 56, 2)
    if frames >= 30 or seconds >= 60 or minutes >= 60 or hours >= 24:
        return None
    return f"{hours:02}:{minutes:02}:{seconds:02}{';' if bits[10] else ':'}{frames:02}"


def _tens_and_units(bits: Bool[np.ndarray, " 64"], tens: int, count: int) -> int:
    """A number whose tens begin at a bit, and whose units, four bits, eight before them; the lowest bit first."""
    weights = 1 << np.arange(4)
    return int(10 * bits[tens : tens + count] @ weights[:count] + bits[tens - 8 : tens - 4] @ weights)
