"""A first guess of time offsets, from what cameras wrote into their videos about when these began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import remainder
from pathlib import Path

from multiview.data import NS_PER_S
from multiview.recordings.recorded_keypoints import Recording
from multiview.sources import video_start

__all__ = ["FirstGuess", "guess_offsets", "with_guess"]

DAY_S = 86_400.0  # after which timecode begins again
LEAST_OVERLAP = 0.25  # of the shortest recording: a guess after which the cameras share less is none


@dataclass(frozen=True, slots=True)
class FirstGuess:
    """By `kind`, what to add to each camera's times, s; the first camera's is 0."""

    kind: str
    offsets_s: dict[str, float]

    def words(self) -> str:
        """In a line."""
        later = ", ".join(f"{name} {offset:+.3f} s" for name, offset in self.offsets_s.items())
        return f"First guess, by the videos' {self.kind}: {later}"


def guess_offsets(videos: Sequence[tuple[str, Path]]) -> FirstGuess | None:
    """When each camera's video began after the first one's.

    Args:
        videos: The name and the video of each camera.

    Returns:
        By timecode, if every video has one; else by the time of creation, if every video has that; else None. None as
        well where files of times are beside videos, which are on one clock already.

    Raises:
        SourceError: A video cannot be opened.
    """
    if any(video.with_name(video.stem + ".timestamps.csv").is_file() for _, video in videos):
        return None
    starts = {name: {start.kind: start.time_s for start in video_start(video)} for name, video in videos}
    for kind in ("timecode", "creation time"):
        times = {name: found[kind] for name, found in starts.items() if kind in found}
        if times and len(times) == len(videos):
            first, round_s = next(iter(times.values())), DAY_S if kind == "timecode" else float("inf")
            return FirstGuess(kind, {name: round(remainder(time - first, round_s), 6) for name, time in times.items()})
    return None


def with_guess(recordings: list[Recording], guess: FirstGuess) -> list[Recording] | None:
    """The recordings moved by the guess; None where they would hardly overlap, so that it must be wrong."""
    moved = [
        replace(one, times_ns=[time + round(guess.offsets_s.get(one.camera, 0.0) * NS_PER_S) for time in one.times_ns])
        for one in recordings
    ]
    spans = [(one.times_ns[0], one.times_ns[-1]) for one in moved if one.times_ns]
    if not spans:
        return None
    shared = min(end for _, end in spans) - max(start for start, _ in spans)
    return moved if shared >= LEAST_OVERLAP * min(end - start for start, end in spans) else None
