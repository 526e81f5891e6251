"""Sounds and timecode made for tests, and videos that have them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float, Float32

from tests.footage import SIZE, picture

RATE_HZ = 24_000


def room(seconds: float, rng: np.random.Generator) -> Float[np.ndarray, " N"]:
    """Some quiet, a clap now and then: noise that dies away in 30 ms."""
    heard = 0.002 * rng.standard_normal(round(seconds * RATE_HZ))
    decay = np.exp(-np.arange(round(0.2 * RATE_HZ)) / (0.03 * RATE_HZ))
    for at in rng.uniform(0.05 * seconds, 0.9 * seconds, max(1, round(seconds / 3))):
        first = round(at * RATE_HZ)
        heard[first : first + len(decay)] += 0.5 * decay * rng.standard_normal(len(decay))
    return heard


def linear_timecode(first_frame: int, frames: int, fps: Fraction, begin_s: float = 0.0) -> Float[np.ndarray, " N"]:
    """Words of SMPTE ST 12-1 without dropped numbers, as a square wave from `begin_s` on."""
    nominal, changes = round(fps), [0]
    bit_samples = float(RATE_HZ / fps / 80)
    for number in range(first_frame, first_frame + frames):
        seconds, own = divmod(number, nominal)
        parts = (own, seconds % 60, seconds // 60 % 60, seconds // 3600 % 24)
        bits = [0] * 64 + [int(bit) for bit in "0011111111111101"]
        for place, value in zip((0, 16, 32, 48), parts, strict=True):
            for k in range(4):
                bits[place + k] = value % 10 >> k & 1
                if k < 3:
                    bits[place + 8 + k] = value // 10 >> k & 1
        for bit in bits:
            changes += [1, bit]  # at the border of each bit, and in the middle of a 1
    level = np.cumsum(changes[1:]) % 2 * 2.0 - 1.0
    samples = np.arange(int(len(level) * bit_samples / 2))
    wave = 0.4 * level[np.minimum((samples / (bit_samples / 2)).astype(int), len(level) - 1)]
    return np.concatenate([np.zeros(round(begin_s * RATE_HZ)), wave])


def film_with_sound(path: Path, channels: Float[np.ndarray, "C N"], codec: str = "pcm_s16le", fps: int = 20) -> Path:
    """A video of three pictures, the first at 0, and its sound, from 0 on."""
    samples: Float32[np.ndarray, "C N"] = channels.astype(np.float32)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=fps)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = out.add_stream(codec, rate=RATE_HZ, layout="stereo" if len(samples) == 2 else "mono")
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            frame.pts = number
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        heard = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout="stereo" if len(samples) == 2 else "mono"
        )
        heard.sample_rate, heard.pts = RATE_HZ, 0
        resampler = av.AudioResampler(
            format=sound.format, layout=sound.layout, rate=RATE_HZ, frame_size=sound.frame_size or 1024
        )
        for one in [*resampler.resample(heard), *resampler.resample(None)]:
            out.mux(sound.encode(one))
        out.mux(sound.encode(None))
    return path
