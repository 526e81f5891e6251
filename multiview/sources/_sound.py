"""The sound of a video, on the time line of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from multiview.errors import SourceError

__all__ = ["Sound", "read_sound"]

RATE_HZ = 24_000  # ten samples to a bit of linear timecode
LONGEST_S = 600.0  # of which is read


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Samples of every channel; the first one was heard `start_s` after the first picture was taken."""

    samples: Float32[np.ndarray, "C N"]
    rate_hz: int
    start_s: float


def read_sound(path: Path) -> Sound | None:
    """The first ten minutes of a video's sound.

    Args:
        path: The file.

    Returns:
        None where it has no sound, or no picture that the sound could belong to.

    Raises:
        SourceError: It cannot be opened.
    """
    import av

    try:
        with av.open(f"file:{path.absolute()}", metadata_errors="replace") as container:
            if not container.streams.audio or not container.streams.video:
                return None
            picture_s = next((frame.time for frame in container.decode(video=0)), None)
            container.seek(0)
            resampler = av.AudioResampler(format="fltp", rate=RATE_HZ)
            parts: list[np.ndarray] = []
            first_s: float | None = None
            for frame in container.decode(audio=0):
                first_s = frame.time if first_s is None else first_s
                parts += [one.to_ndarray() for one in resampler.resample(frame)]
                if frame.time is not None and first_s is not None and frame.time - first_s > LONGEST_S:
                    break
            parts += [one.to_ndarray() for one in resampler.resample(None)]
    except (av.FFmpegError, OSError, ValueError, StopIteration) as error:
        raise SourceError(f"{path}: its sound cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not parts or first_s is None or picture_s is None:
        return None
    return Sound(np.concatenate(parts, axis=1).astype(np.float32), RATE_HZ, first_s - picture_s)
