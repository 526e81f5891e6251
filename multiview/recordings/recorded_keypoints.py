"""Recorded keypoints of several cameras, and what all cameras saw at each instant of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Protocol, runtime_checkable

from multiview.cameras.camera import Rig
from multiview.common.names import file_name
from multiview.data import NS_PER_S, FrameNumber, Keypoints2D, TimeNs, Views
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.number_times import MOST_FRAMES, NumberTimes
from multiview.recordings.written_keypoints import remove_earlier, will_write
from multiview.timing.sync_buffer import SyncBuffer, SyncOptions

__all__ = [
    "KeypointSource",
    "Recording",
    "folder_recordings",
    "folder_views",
    "frame_views",
    "recorded_views",
    "write_recordings",
]

MAX_SKEW_FRAMES = 0.1  # of a frame's time: cameras that differ by less were triggered together
MIN_STEP_FRAMES = 0.7  # of a frame's time: numbers that follow each other faster are not of one camera


@runtime_checkable
class KeypointSource(Protocol):
    """Recorded keypoints of a rig's cameras, whatever the format; `frames` are the numbers that occur."""

    frames: tuple[int, ...]

    def read(self, camera: int, frame: int) -> Keypoints2D | None:
        """What one camera saw in one frame; None if it recorded nothing for it. Raises SourceError."""
        ...

    def cameras_without_folder(self) -> tuple[int, ...]:
        """The rig's cameras that recorded nothing."""
        ...


@dataclass(slots=True)
class Recording:
    """One camera's 2D poses, frame by frame, in pixels of the calibrated size.

    Attributes:
        camera: Its name.
        fps: Nominal frame rate.
        frames: Numbers of the frames, ascending.
        times_ns: Time of each frame, on a clock that all cameras share.
        keypoints: What the camera saw in each.
        trouble: Why the recording ended early; empty if it did not.
    """

    camera: str
    fps: float
    frames: list[FrameNumber] = field(default_factory=list)
    times_ns: list[TimeNs] = field(default_factory=list)
    keypoints: list[Keypoints2D] = field(default_factory=list)
    trouble: str = ""

    def moved(self, later_ns: int) -> Recording:
        """The same recording at other times.

        Args:
            later_ns: How much later.

        Returns:
            A recording of its own.
        """
        return replace(self, times_ns=[TimeNs(time_ns + later_ns) for time_ns in self.times_ns])


def frame_views(folders: KeypointSource, cameras: int, frame: int, fps: float) -> Views:
    """What every camera recorded in one frame; a recorded frame stands at frame / fps."""
    keypoints = tuple(folders.read(camera, frame) for camera in range(cameras))
    return Views(frame, TimeNs(round(frame * NS_PER_S / fps)), keypoints)


def folder_views(folders: KeypointSource, rig: Rig, fps: float) -> tuple[Iterable[Views], int]:
    """What all cameras saw at each instant of a recording.

    These are frames of one number, unless the rig knows that its cameras were not in step (`time_offset_s`), or the
    numbers are times; then keypoints are interpolated to common instants.

    Args:
        folders: Of the cameras.
        rig: Of the cameras.
        fps: Frame rate; frame i has the time i / fps, unless numbers are times.

    Returns:
        The views in order of time, and how many they are.
    """
    times = NumberTimes.of(folders.frames, fps)
    if not times.are_times and not any(camera.time_offset_s for camera in rig.cameras):
        return (frame_views(folders, len(rig), frame, fps) for frame in folders.frames), len(folders.frames)
    views = list(recorded_views(rig, folder_recordings(folders, rig, fps)))
    return views, len(views)


def folder_recordings(folders: KeypointSource, rig: Rig, fps: float) -> list[Recording]:
    """All that the folders hold, in memory, each frame at the time that the camera's `time_offset_s` gives it.

    Args:
        folders: Of the cameras.
        rig: Of the cameras.
        fps: Frame rate; frame i has the time i / fps before the offset.

    Returns:
        One recording per camera of the rig.
    """
    recordings, times = [], NumberTimes.of(folders.frames, fps)
    numbers = dict(zip(folders.frames, times.frames(folders.frames), strict=True))
    for index, camera in enumerate(rig.cameras):
        offset = camera.time_offset_ns
        recording = Recording(camera.name, fps)
        for frame in folders.frames:
            keypoints = folders.read(index, frame)
            if keypoints is not None:
                recording.frames.append(numbers[frame])
                recording.times_ns.append(TimeNs(times.time_ns(frame) + offset))
                recording.keypoints.append(keypoints)
        recordings.append(recording)
    return recordings


def write_recordings(rig: Rig, recordings: list[Recording], folder: Path) -> None:
    """Write keypoint folders that `folder_recordings` reads back with the same times.

    Files are named by the frame's number where that says the time; else, of cameras of other rates or starts and of
    variable rates, by the time itself, in ns. What an earlier call has written there and this one does not is removed.

    Args:
        rig: Of the cameras, whose `time_offset_s` the times hold.
        recordings: Of its cameras, or some of them.
        folder: For one folder per camera.
    """
    own_ns = {r.camera: rig.cameras[rig.index(r.camera)].time_offset_ns for r in recordings}
    fps = max((r.fps for r in recordings), default=0.0) or 30.0
    off = (
        abs(time_ns - own_ns[r.camera] - frame * NS_PER_S / fps)
        for r in recordings
        for frame, time_ns in zip(r.frames, r.times_ns, strict=True)
    )
    latest = max((r.times_ns[-1] - own_ns[r.camera] for r in recordings if r.frames), default=0)
    by_time = latest >= MOST_FRAMES and max(off, default=0.0) > MAX_SKEW_FRAMES * NS_PER_S / fps
    content: dict[str, Keypoints2D] = {}
    for recording in recordings:
        name = file_name(recording.camera)
        times = [time_ns - own_ns[recording.camera] for time_ns in recording.times_ns]
        for number, keypoints in zip(times if by_time else recording.frames, recording.keypoints, strict=True):
            content[f"{name}/{name}_{number:06d}_keypoints.json"] = keypoints
    will_write(folder, content)
    for name, keypoints in content.items():
        write_keypoints(keypoints, folder / name)
    remove_earlier(folder, content)


def recorded_views(rig: Rig, recordings: list[Recording], by_time: bool = False) -> Iterator[Views]:
    """What all cameras saw at each instant: frames of one number where the cameras run in step, else interpolated.

    Args:
        rig: Of the cameras.
        recordings: Of its cameras, or some of them.
        by_time: Cameras that are nearly in step are interpolated as well, so that every change of a time counts.

    Yields:
        The views in order of time.
    """
    if not by_time and _synchronised(recordings):
        by_frame = [dict(zip(r.frames, zip(r.times_ns, r.keypoints, strict=True), strict=True)) for r in recordings]
        places = [rig.index(r.camera) for r in recordings]
        for frame in sorted(set().union(*by_frame)):
            seen: list[Keypoints2D | None] = [None] * len(rig)
            for place, table in zip(places, by_frame, strict=True):
                if frame in table:
                    seen[place] = table[frame][1]
            time_ns = next(table[frame][0] for table in by_frame if frame in table)
            yield Views(frame, time_ns, tuple(seen))
        return
    rate = max(r.fps for r in recordings) or 30.0
    buffer = SyncBuffer(len(rig), rate, SyncOptions(lossless=True))
    absent = set(rig.names) - {r.camera for r in recordings if r.frames}
    for name in sorted(absent):
        yield from buffer.end_of_stream(rig.index(name), 0)
    queue = sorted(
        ((t, rig.index(r.camera), k) for r in recordings for t, k in zip(r.times_ns, r.keypoints, strict=True)),
        key=lambda entry: entry[:2],
    )
    last = {camera: i for i, (_, camera, _) in enumerate(queue)}
    for i, (time_ns, camera, keypoints) in enumerate(queue):
        yield from buffer.add(camera, time_ns, keypoints, time_ns)
        if last[camera] == i:
            yield from buffer.end_of_stream(camera, time_ns)


def _synchronised(recordings: list[Recording]) -> bool:
    """Whether frames of one number were taken at one instant, to a tenth of a frame."""
    times: dict[FrameNumber, list[TimeNs]] = {}
    for recording in recordings:
        for frame, time_ns in zip(recording.frames, recording.times_ns, strict=True):
            times.setdefault(frame, []).append(time_ns)
    frame_ns = NS_PER_S / (max((r.fps for r in recordings), default=0.0) or 30.0)
    steps = [times[after][0] - times[before][0] for before, after in pairwise(sorted(times))]
    if steps and median(steps) < MIN_STEP_FRAMES * frame_ns:
        return False
    return all(max(t) - min(t) <= MAX_SKEW_FRAMES * frame_ns for t in times.values())
