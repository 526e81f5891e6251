"""How much later one camera's sound is than another's: a clap, talk, any sound that both have heard.

The sounds are correlated with whitened spectra (GCC-PHAT), so that rooms and microphones, which colour a sound, do not
widen the peak. Sound travels 1 m in 3 ms: that much an offset is off where a source is nearer to one camera.

Reference: Knapp and Carter, The generalized correlation method for estimation of time delay, 1976.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from scipy.signal import decimate as _decimate

__all__ = ["SoundOffset", "sound_offset"]

BAND_HZ = (200.0, 3500.0)  # of voices and claps; hum lies below
ENOUGH_HZ = 8000.0  # samples a second, of that band
MOST_PIECES = 10
SHORTEST = 100  # samples, for a filter
PIECE_S = 20.0  # correlated by itself, so that clocks that run apart do not blur the peak
LEAST_S = 0.5
MIN_PEAK = 8.0  # in standard deviations of the rest; chance reaches 5.5 in a hundred million
MAX_SECOND = 0.8  # of the peak, that another one may reach: sounds that repeat fit in several places
APART_S = 0.01  # between peaks that count as two
AGREE_S = 0.05  # pieces that differ by more disagree
AGREEING = 0.6  # of the pieces that are found


@dataclass(frozen=True, slots=True)
class SoundOffset:
    """What to add to a camera's times, s, and the standard deviation of that."""

    offset_s: float
    sigma_s: float


def sound_offset(
    sound: Float[np.ndarray, " N"], reference: Float[np.ndarray, " M"], rate_hz: float
) -> SoundOffset | None:
    """When a sound's beginning lies in a reference that has heard the same.

    Args:
        sound: Samples of one channel.
        reference: Samples of another camera's.
        rate_hz: Of both, Hz.

    Returns:
        None where they have nothing in common, or fit in several places.
    """
    if (every := int(rate_hz // ENOUGH_HZ)) > 1:
        sound, reference, rate_hz = _thinned(sound, every), _thinned(reference, every), rate_hz / every
    length = round(PIECE_S * rate_hz)
    starts = list(range(0, max(1, len(sound) - round(LEAST_S * rate_hz)), length))
    size = 1 << (min(length, len(sound)) + len(reference) - 1).bit_length()
    spectrum = np.fft.rfft(reference, size)
    found = []
    for first in starts[:: -(-len(starts) // MOST_PIECES)]:
        piece = sound[first : first + length]
        if (place := _place(piece, np.conj(np.fft.rfft(piece, size)) * spectrum, size, rate_hz)) is not None:
            found.append((place[0] - first / rate_hz, place[1]))
    if not found:
        return None
    offsets, sigmas = np.array(found).T
    near = np.abs(offsets - np.median(offsets)) < AGREE_S
    if near.sum() < AGREEING * len(offsets):
        return None
    apart = float(offsets[near].std(ddof=1)) if near.sum() > 1 else 0.0
    return SoundOffset(float(np.median(offsets[near])), float(np.hypot(apart, np.median(sigmas[near]))))


def _place(
    piece: Float[np.ndarray, " N"], cross: Complex[np.ndarray, " F"], size: int, rate_hz: float
) -> tuple[float, float] | None:
    """Where a piece begins in the reference, s, and its standard deviation; `cross` is the spectrum of both."""
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    inside = (hz > BAND_HZ[0]) & (hz < min(BAND_HZ[1], 0.45 * rate_hz))
    size_of = np.abs(cross)
    if not size_of[inside].any():
        return None
    curve = np.fft.irfft(np.where(inside, cross / np.maximum(size_of, 1e-12 * size_of.max()), 0.0), size)
    height = np.abs(curve)  # a microphone may be connected the wrong way round
    peak = int(height.argmax())
    noise = 1.4826 * float(np.median(height))
    apart = np.ones(size, bool)
    apart[(np.arange(-round(APART_S * rate_hz), round(APART_S * rate_hz) + 1) + peak) % size] = False
    if height[peak] < MIN_PEAK * noise or height[apart].max() > MAX_SECOND * height[peak]:
        return None
    lag = peak + _between(height[[peak - 1, peak, (peak + 1) % size]])
    width = rate_hz / (2 * (BAND_HZ[1] - BAND_HZ[0]))  # samples, of the peak
    sigma = np.hypot(width * noise / height[peak], 1 / np.sqrt(12.0))
    return float(lag - (size if lag > size - len(piece) else 0)) / rate_hz, float(sigma) / rate_hz


def _thinned(sound: Float[np.ndarray, " N"], every: int) -> Float[np.ndarray, " M"]:
    """One sample of so many, without what they could not show."""
    if len(sound) < SHORTEST * every:
        return sound[::every]
    thinned: Float[np.ndarray, " M"] = _decimate(sound, every, ftype="fir")
    return thinned


def _between(three: Float[np.ndarray, " 3"]) -> float:
    """Where between samples a parabola through three of them has its top."""
    left, middle, right = three
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend else 0.0
