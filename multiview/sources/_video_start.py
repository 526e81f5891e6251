"""When a video began, by what its camera wrote into the file: SMPTE timecode, else the time of its creation."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from multiview.errors import SourceError

if TYPE_CHECKING:
    import av

__all__ = ["VideoStart", "timecode_s", "video_start"]

CREATED = ("com.apple.quicktime.creationdate", "creation_time")  # Apple's other one is when the file was last changed
FIRST_YEAR = 2000  # before: a camera whose clock was never set
DROPPED_PER_MINUTE = 15  # of drop-frame timecode, one frame number in so many of a second's (2 of 30, 4 of 60)


class VideoStart(NamedTuple):
    """When the first picture was taken, s on the clock of that kind: of a day, or since 1970."""

    kind: Literal["timecode", "creation time"]
    time_s: float


def video_start(path: Path) -> list[VideoStart]:
    """What a video says of its beginning, the most exact first.

    Args:
        path: The file.

    Returns:
        Its timecode, which counts frames, and its time of creation, mostly in whole seconds; what there is of them.

    Raises:
        SourceError: It cannot be opened.
    """
    import av

    try:
        with av.open(f"file:{path.absolute()}", metadata_errors="replace") as container:
            found: list[VideoStart] = []
            video = container.streams.best("video")
            rate = video.average_rate if video is not None else None
            written = [*(stream.metadata for stream in container.streams), container.metadata]
            texts = [text for own in written for name, text in own.items() if name.lower() == "timecode"]
            for text in texts:
                if rate and (time_s := timecode_s(text, rate)) is not None:
                    found.append(VideoStart("timecode", time_s))
                    break
            if (created_s := _created_s(container)) is not None:
                found.append(VideoStart("creation time", created_s))
            return found
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def timecode_s(text: str, rate: Fraction) -> float | None:
    """The time that a timecode stands for.

    Args:
        text: HH:MM:SS:FF, or HH:MM:SS;FF with dropped numbers, which keep it in step with the clock at 29.97 Hz.
        rate: Frames per second.

    Returns:
        s since its midnight; None if it is no timecode.
    """
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d)", text.strip())
    if match is None:
        return None
    hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
    nominal = round(rate)
    if minutes > 59 or seconds > 59 or frames >= max(nominal, 1):
        return None
    count = (3600 * hours + 60 * minutes + seconds) * nominal + frames
    if match[4] != ":":
        past = 60 * hours + minutes
        count -= nominal // DROPPED_PER_MINUTE * (past - past // 10)
    return float(count / rate)


def _created_s(container: av.container.InputContainer) -> float | None:
    for name in CREATED:
        try:
            time = datetime.fromisoformat(container.metadata.get(name, ""))
        except ValueError:
            continue
        time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        if time.year >= FIRST_YEAR:
            return time.timestamp()
    return None
