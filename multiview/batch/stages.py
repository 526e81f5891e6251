"""The work of each kind of job, by the functions of `process`, `fuse`, `export` and `plot`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from multiview.batch.camera_poses import join, read_camera_poses, write_camera_poses
from multiview.batch.jobs import Detect, Export, Fuse, Job, Report
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.commands.export import export_poses
from multiview.commands.plot import write_plots
from multiview.commands.process_run import Written, detect_all, fuse_and_write, open_sources
from multiview.common.atomic_file import replacing
from multiview.data import FrameNumber, VideoFrame
from multiview.detect import make_detector
from multiview.errors import SourceError
from multiview.keypoint_formats import open_keypoints
from multiview.recordings.pose_table import read_poses
from multiview.recordings.recorded_keypoints import Recording, folder_recordings
from multiview.recordings.resample import ResampleOptions
from multiview.recordings.take import open_take
from multiview.sources import FrameSource, Seekable
from multiview.studio.reasons import reasons
from multiview.studio.take_keypoints import take_keypoints

__all__ = ["do"]

ABSENT = {"videos": "has no video", "keypoints": "has no keypoints", "take": "sent nothing"}


def do(job: Job, recording: Path, out: Path) -> dict[str, Any]:
    """Do a job.

    Args:
        job: Which.
        recording: Folder of the recording's results, which holds those that the job needs.
        out: Folder for the job's own.

    Returns:
        Figures for the summary.

    Raises:
        MultiviewError: An input cannot be used.
    """
    match job.work:
        case Detect():
            return _detect(job.work, out)
        case Fuse():
            return _fuse(job.work, [recording / stage for stage in job.needs], out)
        case Export():
            exported = export_poses(recording / "poses", out / "poses", job.work.format, "", ResampleOptions(), _silent)
            return {"files": len(exported.paths)}
        case Report():
            return _report(recording / "poses", out)


def _silent(share: float) -> None:
    """Nobody watches."""


def _detect(work: Detect, out: Path) -> dict[str, Any]:
    """2D poses on the video's own clock: a camera's offset is added when they are fused."""
    rig = load_rig(work.rig)
    in_step = Rig(tuple(replace(camera, time_offset_s=0.0) for camera in rig.cameras), rig.world)
    sources = open_sources(in_step, [work.video], [work.camera], work.fps)
    if work.first or work.last:
        sources = [_Span(sources[0], work.first - work.warm_up, work.last)]
    detector = make_detector(work.detector, work.detector_options)
    (found,), seconds = detect_all(in_step, sources, [detector])
    kept = _since(found, work.first)
    if not kept.frames and not kept.trouble:
        raise SourceError(f"{work.video}: no frame in it")
    write_camera_poses(kept, detector.skeleton, out)
    if kept.trouble:
        print(f"multiview: {kept.trouble}; continuing with the frames read before")
    return {"frames": len(kept.frames), "images_per_second": round(len(found.frames) / seconds, 2)}


def _since(recording: Recording, first: int) -> Recording:
    """Without the frames that only warmed the detector up."""
    begin = next((i for i, frame in enumerate(recording.frames) if frame >= first), len(recording.frames))
    return replace(
        recording,
        frames=recording.frames[begin:],
        times_ns=recording.times_ns[begin:],
        keypoints=recording.keypoints[begin:],
    )


class _Span:
    """Some frames of a source, with the numbers and times that they have in it: `first` up to `last` (0: the end)."""

    live = False

    def __init__(self, source: FrameSource, first: int, last: int) -> None:
        sought = first > 0 and isinstance(source, Seekable) and source.seek(FrameNumber(first))
        self._source, self._last, self._to_skip = source, last, 0 if sought else first
        self.name, self.fps, self.size = source.name, source.fps, source.size
        self.frames = max(0, (last or source.frames) - first)

    def read(self) -> VideoFrame | None:
        while self._to_skip:
            self._to_skip -= 1
            if not self._source.skip():
                return None
        frame = self._source.read()
        return None if frame is None or (self._last and frame.index >= self._last) else frame

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        self._source.close()


def _fuse(work: Fuse, before: list[Path], out: Path) -> dict[str, Any]:
    rig, skeleton, recordings = _recordings(work, before)
    if not any(recording.keypoints for recording in recordings):
        raise SourceError("no frame of any camera: check the recording")
    written = fuse_and_write(rig, skeleton, recordings, work.choices, out, {}, ABSENT[work.kind])
    troubles = [recording.trouble for recording in recordings if recording.trouble]
    return _figures(written) | {"warnings": troubles + [reason.text for reason in reasons(written.known)]}


def _recordings(work: Fuse, before: list[Path]) -> tuple[Rig, Skeleton, list[Recording]]:
    """The 2D poses of all cameras on a common clock."""
    if work.kind == "take":
        return take_keypoints(open_take(Path(work.source)), Path(work.rig))
    rig = load_rig(work.rig)
    if work.kind == "keypoints":
        opened = open_keypoints(work.source, rig, work.skeleton or None)
        for remark in opened.remarks:
            print(remark)
        return rig, opened.skeleton, folder_recordings(opened.source, rig, work.fps)
    parts: dict[str, list[Recording]] = {}
    skeletons: list[Skeleton] = []
    for folder in before:
        recording, skeleton = read_camera_poses(folder)
        parts.setdefault(recording.camera, []).append(recording)
        skeletons.append(skeleton)
    cameras = [join(of_camera) for of_camera in parts.values()]
    moved = [one.moved(rig.cameras[rig.index(one.camera)].time_offset_ns) for one in cameras]
    return rig, skeletons[0], moved


def _figures(written: Written) -> dict[str, Any]:
    """What the summary page shows of a recording."""
    poses, ticks = written.fused.poses, written.fused.tracks
    with_people = sum(bool(tick.tracks) for tick in ticks)
    known = np.isfinite(poses.xyz[..., 0])
    measured = float((known & ~poses.filled).sum() / known.size) if known.size else 0.0
    return {
        "frames": len(ticks),
        "people": len(poses.people),
        "coverage": round(with_people / max(1, len(ticks)), 4),
        "measured": round(measured, 4),
        "reprojection_px": round(written.errors.median(), 3),
    }


def _report(poses: Path, out: Path) -> dict[str, Any]:
    if not len(read_poses(poses / "poses.parquet")):
        with replacing(out / "index.html") as temporary:
            temporary.write_text("<!doctype html><title>nobody</title><p>Nobody was found.", encoding="utf-8")
        return {"plots": 0}
    paths, _ = write_plots(poses, out, "", [], None, None, _silent)
    return {"plots": len(paths) - 1}
