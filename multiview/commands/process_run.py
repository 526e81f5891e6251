"""The work of `multiview process`: detect people in every video, synchronise the cameras, fuse."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from multiview.body.skeleton import Skeleton, save_own_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.image_size import fits, scaling_note, to_calibrated_size
from multiview.cameras.reprojection import ReprojectionErrors, reprojection_errors
from multiview.commands.fuse_run import fuse_views, save_rig_beside, write_summary
from multiview.commands.fusion_choices import FusionChoices
from multiview.commands.refine_run import refined
from multiview.common.console import plain_console
from multiview.common.counted import counted
from multiview.data import Keypoints2D, TimeNs, Tracks, VideoFrame, Views
from multiview.detect import PoseDetector
from multiview.errors import ConfigError, SourceError
from multiview.fusion.pipeline import PipelineOptions
from multiview.recordings.pose_table import Poses, write_poses
from multiview.recordings.recorded_keypoints import Recording, recorded_views
from multiview.sources import FrameSource, Reader, open_cameras, open_source
from multiview.studio.agreement import disagreement
from multiview.studio.reasons import Evidence, evidence
from multiview.studio.view_survey import ViewSurvey

__all__ = ["Fused", "Written", "detect_all", "fuse_and_write", "fuse_recordings", "open_sources"]


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """Result of fusing the recordings; `timing` is ms of each tick: the whole step, then each stage."""

    poses: Poses
    views: list[Views]
    tracks: list[Tracks]
    timing: Float64[np.ndarray, "N S"]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What was fused and written: the summary's content, how well 2D and 3D agree, and what the cameras saw."""

    fused: Fused
    summary: dict[str, Any]
    errors: ReprojectionErrors
    known: Evidence


def open_sources(rig: Rig, videos: list[str], names: list[str], fps: float) -> list[FrameSource]:
    """One source for each named camera whose recording has a picture.

    ConfigError where names and rig do not fit, SourceError for a bad file.
    """
    if len(names) != len(videos):
        raise ConfigError(f"{len(videos)} videos but {len(names)} camera names ({', '.join(names)})")
    for name in names:
        if name not in rig.names:
            known = ", ".join(rig.names)
            raise ConfigError(
                f"the rig has no camera {name!r}; it has {known}. Name the videos' cameras with --cameras"
            )
        if names.count(name) > 1:
            raise ConfigError(f"two videos for camera {name}")
    others = len(videos) - 1
    return open_cameras(
        zip(videos, names, strict=True), lambda video, name: open_source(str(video), name, fps=fps, beside=others)
    )


def detect_all(rig: Rig, sources: list[FrameSource], detectors: list[PoseDetector]) -> tuple[list[Recording], float]:
    """2D poses of every frame of every source, and the seconds it took; the detectors share the cameras among them.

    A source that breaks off ends there, with the reason in its recording; the others go on. A picture of another shape
    than the calibration's is left out, and said.
    """
    console = plain_console(stderr=True)
    for source in sources:
        if note := scaling_note(source.size, rig.cameras[rig.index(source.name)].size, source.name):
            console.print(note, style="yellow")
    start = time.perf_counter()
    odd: Counter[tuple[str, tuple[int, int]]] = Counter()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks = {s.name: progress.add_task(s.name, total=s.frames or None) for s in sources}
        with ThreadPoolExecutor(len(detectors)) as pool:
            shares = [sources[k :: len(detectors)] for k in range(len(detectors))]
            jobs = [
                pool.submit(_detect, rig, share, detector, odd, lambda name: progress.advance(tasks[name]))
                for share, detector in zip(shares, detectors, strict=True)
            ]
            recordings = {r.camera: r for job in jobs for r in job.result()}
    for (name, size), count in sorted((+odd).items()):
        console.print(_odd_note(rig, name, size, count), style="yellow")
    return [recordings[source.name] for source in sources], time.perf_counter() - start


def _odd_note(rig: Rig, name: str, size: tuple[int, int], count: int) -> str:
    """Of pictures that are unlike the first one of their recording."""
    pictures = f"{name}: {counted(count, 'picture')} of {size[0]}x{size[1]}, unlike the first one"
    width, height = rig.cameras[rig.index(name)].size
    if fits(size, (width, height)):
        return f"{pictures}: keypoints are scaled"
    return f"{pictures} and in another shape than the calibration's {width}x{height}: left out"


def _detect(
    rig: Rig,
    sources: list[FrameSource],
    detector: PoseDetector,
    odd: Counter[tuple[str, tuple[int, int]]],
    advance: Callable[[str], None],
) -> list[Recording]:
    recordings = [Recording(source.name, source.fps) for source in sources]
    readers: dict[int, Reader] = {i: Reader(source) for i, source in enumerate(sources)}
    try:
        while readers:
            frames: dict[int, VideoFrame] = {}
            for i, reader in list(readers.items()):
                try:
                    frame = reader.read()
                except SourceError as error:
                    recordings[i].trouble, frame = str(error), None
                if frame is None:
                    readers.pop(i).close()
                elif _is_usable(frame, sources[i].size, rig, odd):
                    frames[i] = frame
            for (i, frame), keypoints in zip(frames.items(), detector.detect(list(frames.values())), strict=True):
                recording, camera = recordings[i], rig.cameras[rig.index(frame.camera)]
                picture = (frame.image.shape[1], frame.image.shape[0])
                recording.frames.append(frame.index)
                recording.times_ns.append(TimeNs(frame.time_ns + camera.time_offset_ns))
                recording.keypoints.append(_rounded(to_calibrated_size(keypoints, picture, camera.size)))
                advance(frame.camera)
    finally:
        for reader in readers.values():
            reader.close()
    return recordings


def _is_usable(frame: VideoFrame, usual: tuple[int, int], rig: Rig, odd: Counter[tuple[str, tuple[int, int]]]) -> bool:
    """Whether keypoints of a picture can be brought to the calibrated size; one unlike the first is counted as odd."""
    picture = (frame.image.shape[1], frame.image.shape[0])
    odd[frame.camera, picture] += picture != usual
    return picture == usual or fits(picture, rig.cameras[rig.index(frame.camera)].size)


def fuse_recordings(
    rig: Rig,
    skeleton: Skeleton,
    recordings: list[Recording],
    options: PipelineOptions,
    smooth: bool = False,
    contacts: bool = False,
) -> Fused:
    """All ticks through one pipeline; `smooth` lets the whole take correct each, `contacts` keeps feet still."""
    views = list(recorded_views(rig, recordings))
    fps = max((r.fps for r in recordings), default=0.0) or 30.0
    tracks, timing = fuse_views(rig, skeleton, views, len(views), fps, options, smooth=smooth, contacts=contacts)
    return Fused(Poses.from_tracks(tracks, skeleton), views, tracks, timing)


def fuse_and_write(
    rig: Rig,
    skeleton: Skeleton,
    recordings: list[Recording],
    choices: FusionChoices,
    out: Path,
    extra: dict[str, Any],
    absent: str,
) -> Written:
    """Fuse, and write the folder `out`: poses.parquet, rig.toml, summary.json and a skeleton of one's own.

    `extra` goes into the summary, too; `absent` says what a camera without a recording lacks.
    """
    if choices.refine_cameras:
        rig = refined(rig, skeleton, recorded_views(rig, recordings), out)
    options = PipelineOptions(independent=choices.independent, volume=choices.volume())
    fused = fuse_recordings(rig, skeleton, recordings, options, choices.smooth, choices.contacts)
    write_poses(fused.poses, out / "poses.parquet")
    save_own_skeleton(skeleton, out)
    save_rig_beside(rig, out)
    errors = reprojection_errors(rig, fused.views, fused.tracks)
    extra = {
        **extra,
        "skeleton": skeleton.name,
        "frames_with_people": {r.camera: sum(k.people > 0 for k in r.keypoints) for r in recordings},
        "reprojection_px": {name: errors.median(name) for name in rig.names} | {"all": errors.median()},
    }
    summary = write_summary(len(fused.poses.people), fused.timing, out / "summary.json", extra)
    survey = ViewSurvey([camera.size for camera in rig.cameras])
    for views, tracks in zip(fused.views, fused.tracks, strict=True):
        survey.add(views)
        survey.add_people(tracks)
    why = disagreement(rig, skeleton, survey.sample)
    known = evidence(rig.cameras, survey, dict.fromkeys(rig.names, absent), choices.box is not None, why)
    return Written(fused, summary, errors, known)


def _rounded(keypoints: Keypoints2D) -> Keypoints2D:
    """As they would arrive over the wire, so that a recording fused offline and played live give the same."""

    def f32(a: np.ndarray | None) -> np.ndarray | None:
        return None if a is None else a.astype(np.float32).astype(np.float64)

    xy, score = keypoints.xy.astype(np.float32), keypoints.score.astype(np.float32)
    return Keypoints2D(xy.astype(np.float64), score.astype(np.float64), f32(keypoints.cov), f32(keypoints.visibility))
