"""A first guess of time offsets, from what cameras wrote into their videos about when these began, or from sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import remainder
from pathlib import Path
from statistics import median

from multiview.data import NS_PER_S
from multiview.errors import SourceError
from multiview.recordings.recorded_keypoints import Recording
from multiview.selfcalib.linear_timecode import read_timecode
from multiview.selfcalib.sound_offset import sound_offset
from multiview.sources import Sound, read_sound, timecode_s, video_start

__all__ = ["SOUND", "FirstGuess", "guess_offsets", "with_guess"]

SOUND = "sound"
DAY_S = 86_400.0  # after which timecode begins again
LEAST_OVERLAP = 0.25  # of the shortest recording: a guess after which the cameras share less is none


@dataclass(frozen=True, slots=True)
class FirstGuess:
    """By `kind`, what to add to each camera's times, s; the first camera's is 0. `sigma_s` where it was measured."""

    kind: str
    offsets_s: dict[str, float]
    sigma_s: dict[str, float] = field(default_factory=dict)

    def words(self) -> str:
        """In a line."""
        sigma = {name: f" ± {2e3 * sigma_s:.2f} ms" for name, sigma_s in self.sigma_s.items()}
        later = ", ".join(f"{name} {offset:+.4f} s{sigma.get(name, '')}" for name, offset in self.offsets_s.items())
        far = "; and 3 ms for each metre that the source is nearer to one of them" if self.kind == SOUND else ""
        return f"First guess, by the videos' {self.kind}: {later}{far}"


def guess_offsets(videos: Sequence[tuple[str, Path]]) -> FirstGuess | None:
    """When each camera's video began after the first one's.

    Args:
        videos: The name and the video of each camera.

    Returns:
        By timecode, in the file or as sound (LTC), if every video has one; else by the sound, if it is the same in all;
        else by the time of creation, if every video has that; else None. None as well where files of times are beside
        videos, which are on one clock already.

    Raises:
        SourceError: A video cannot be opened.
    """
    if any(video.with_name(video.stem + ".timestamps.csv").is_file() for _, video in videos):
        return None
    starts: dict[str, dict[str, float]] = {
        name: {start.kind: start.time_s for start in video_start(video)} for name, video in videos
    }
    if (guess := _guess_by("timecode", starts, DAY_S)) is not None:
        return guess
    sounds = {name: sound for name, video in videos if (sound := _sound(video)) is not None}
    spoken = {name: time_s for name, sound in sounds.items() if (time_s := _linear_timecode_s(sound)) is not None}
    for name, time_s in spoken.items():
        starts[name].setdefault("timecode", time_s)
    by_timecode = _guess_by("timecode", starts, DAY_S)
    by_sound = _guess_by_sound(sounds) if len(sounds) == len(videos) and not spoken else None
    return by_timecode or by_sound or _guess_by("creation time", starts, float("inf"))


def _guess_by(kind: str, starts: dict[str, dict[str, float]], round_s: float) -> FirstGuess | None:
    times = {name: found[kind] for name, found in starts.items() if kind in found}
    if not times or len(times) < len(starts):
        return None
    first = next(iter(times.values()))
    return FirstGuess(kind, {name: round(remainder(time - first, round_s), 6) for name, time in times.items()})


def _sound(video: Path) -> Sound | None:
    """None also where it is damaged: the pictures may be whole."""
    try:
        return read_sound(video)
    except SourceError:
        return None


def _linear_timecode_s(sound: Sound) -> float | None:
    """When the first picture was taken, by the timecode on one of the sound's channels, s since midnight."""
    for channel in sound.samples:
        if (found := read_timecode(channel, sound.rate_hz)) is None:
            continue
        words, fps = found
        rate = Fraction(fps).limit_denominator(1001)
        begun = [
            time_s - (sound.start_s + word.at / sound.rate_hz)
            for word in words
            if (time_s := timecode_s(word.text, rate)) is not None
        ]
        if begun:
            return median(begun)
    return None


def _guess_by_sound(sounds: dict[str, Sound]) -> FirstGuess | None:
    """None unless every camera has heard what the first one has."""
    (first, reference), *others = sounds.items()
    offsets_s, sigma_s = {first: 0.0}, {}
    for name, sound in others:
        found = sound_offset(sound.samples.mean(axis=0), reference.samples.mean(axis=0), sound.rate_hz)
        if found is None:
            return None
        offsets_s[name] = round(found.offset_s + reference.start_s - sound.start_s, 6)
        sigma_s[name] = found.sigma_s
    return FirstGuess(SOUND, offsets_s, sigma_s)


def with_guess(recordings: list[Recording], guess: FirstGuess) -> list[Recording] | None:
    """The recordings moved by the guess; None where they would hardly overlap, so that it must be wrong."""
    moved = [one.moved(round(guess.offsets_s.get(one.camera, 0.0) * NS_PER_S)) for one in recordings]
    spans = [(one.times_ns[0], one.times_ns[-1]) for one in moved if one.times_ns]
    if not spans:
        return None
    shared = min(end for _, end in spans) - max(start for start, _ in spans)
    return moved if shared >= LEAST_OVERLAP * min(end - start for start, end in spans) else None
