"""From recordings to jobs: a job is one stage of one recording, with a key that says whether its result still holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from multiview import __version__
from multiview.batch.recordings import Recording, files_of
from multiview.batch.weights import weights_of
from multiview.commands.fusion_choices import FusionChoices
from multiview.common.names import file_name
from multiview.errors import ConfigError
from multiview.models.card import sha256_of
from multiview.sources import later_parts, open_source

__all__ = ["Detect", "Export", "Fuse", "Job", "Options", "Report", "plan_jobs"]

WARM_UP_S = 4.0  # before a segment, in which a detector comes to follow those whom it would follow already
LEAST_BYTES_PER_S = 25_000  # of a video: a smaller file is not opened to find out that it is short


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with every recording.

    Attributes:
        detector: Name or file of the 2D detector.
        detector_options: Of the detector.
        fps: Frame rate where the files do not say it, or say it wrongly; 0: the videos' own times, 25 for keypoints.
        skeleton: Of recorded keypoints; empty: as the files say.
        fusion: How the 2D poses are fused.
        exports: Formats that the poses are written in.
        report: Whether each recording gets plots.
        segment_s: Length from which a video is cut into segments, s; 0: never.
        cpus: Of a 2D job.
        gpus: Of a 2D job; a fraction shares one.
        hash_content: Whether keys depend on what is in the files rather than on their times.
    """

    detector: str = "blazepose"
    detector_options: dict[str, Any] = {}
    fps: float = 0.0
    skeleton: str = ""
    fusion: FusionChoices = FusionChoices()
    exports: tuple[str, ...] = ()
    report: bool = True
    segment_s: float = 600.0
    cpus: int = 1
    gpus: float = 0.0
    hash_content: bool = False


class Detect(msgspec.Struct, frozen=True, tag=True):
    """Find 2D poses in one camera's video: frames `first` up to `last` (0: the end), after `warm_up` others."""

    rig: str
    camera: str
    video: str
    detector: str
    detector_options: dict[str, Any]
    fps: float
    first: int = 0
    last: int = 0
    warm_up: int = 0


class Fuse(msgspec.Struct, frozen=True, tag=True):
    """Fuse the 2D poses of all cameras; `source` is the folder of keypoints or the take, empty of videos."""

    rig: str
    kind: str
    source: str
    fps: float
    skeleton: str
    choices: FusionChoices


class Export(msgspec.Struct, frozen=True, tag=True):
    """Write the poses in another format."""

    format: str


class Report(msgspec.Struct, frozen=True, tag=True):
    """Plot the poses."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one recording.

    Attributes:
        recording: Its name.
        stage: Folder of the result within that of the recording: `2d/cam01`, `poses`, `export/trc`, `report`.
        key: Changes with whatever the result depends on.
        work: What to do.
        needs: Stages of the same recording that must be done before.
        cpus: Threads that it uses.
        gpus: Share of a graphics card.
        version: Of multiview.
    """

    recording: str
    stage: str
    key: str
    work: Detect | Fuse | Export | Report
    needs: tuple[str, ...] = ()
    cpus: int = 1
    gpus: float = 0.0
    version: str = __version__

    @property
    def name(self) -> str:
        """Unique in its batch."""
        return f"{self.recording}/{self.stage}"


def plan_jobs(recordings: Iterable[Recording], options: Options) -> list[Job]:
    """All jobs of all recordings, each after those that it needs.

    Args:
        recordings: As `find_recordings` finds them.
        options: Of all.

    Returns:
        The jobs.

    Raises:
        ConfigError: A detector, option, format or weight is missing, or two results would lie in one folder.
    """
    recordings = list(recordings)
    with_videos = any(recording.kind == "videos" for recording in recordings)
    weights = weights_of(options.detector, options.detector_options) if with_videos else []
    skeleton = Path(options.skeleton)
    own_skeleton = sha256_of(skeleton) if skeleton.suffix == ".toml" and skeleton.is_file() else ""
    rigs: dict[Path, str] = {}
    jobs: list[Job] = []
    for recording in recordings:
        if recording.rig_path not in rigs:
            rigs[recording.rig_path] = sha256_of(recording.rig_path)
        of_rig = rigs[recording.rig_path]
        before = list(_detections(recording, options, weights)) if recording.kind == "videos" else []
        fuse = _fusion(recording, options, before, of_rig, own_skeleton)
        after = [_job(recording, f"export/{to}", Export(to), [fuse], {}) for to in options.exports]
        if options.report:
            after.append(_job(recording, "report", Report(), [fuse], {}))
        jobs += [*before, fuse, *after]
    _check_folders(jobs)
    return jobs


def _detections(recording: Recording, options: Options, weights: list[str]) -> Iterator[Job]:
    rig = str(recording.rig_path.absolute())
    detector = str(Path(options.detector).absolute()) if options.detector.endswith(".py") else options.detector
    for camera, video in recording.videos.items():
        inputs = {
            "files": _fingerprint(recording.path, files_of(video), options.hash_content),
            "size": recording.rig.cameras[recording.rig.index(camera)].size,
            "weights": weights,
        }
        spans = _segments(video, options)
        for number, (first, last, warm_up) in enumerate(spans, start=1):
            part = f".part{number}of{len(spans)}" if len(spans) > 1 else ""
            work = Detect(
                rig,
                camera,
                str(video.absolute()),
                detector,
                options.detector_options,
                options.fps,
                first,
                last,
                warm_up,
            )
            stage = f"2d/{file_name(camera)}{part}"
            of_work = msgspec.to_builtins(work) | {"rig": "", "video": video.name, "detector": Path(detector).name}
            yield _job(recording, stage, work, [], inputs | {"work": of_work}, options.cpus, options.gpus)


def _fusion(recording: Recording, options: Options, before: list[Job], rig: str, own_skeleton: str) -> Job:
    source = "" if recording.kind == "videos" else str(recording.path.absolute())
    skeleton = str(Path(options.skeleton).absolute()) if own_skeleton else options.skeleton
    fps = options.fps or (25.0 if recording.kind == "keypoints" else 0.0)
    work = Fuse(
        rig=str(recording.rig_path.absolute()),
        kind=recording.kind,
        source=source,
        fps=fps,
        skeleton=skeleton if recording.kind == "keypoints" else "",
        choices=options.fusion,
    )
    of_work = msgspec.to_builtins(work) | {"rig": rig, "source": "", "skeleton": own_skeleton or work.skeleton}
    files = _fingerprint(recording.path, _below(recording.path, 2), options.hash_content) if source else []
    return _job(recording, "poses", work, before, {"work": of_work, "files": files})


def _job(
    recording: Recording, stage: str, work: Detect | Fuse | Export | Report, needs: list[Job], inputs: dict[str, Any],
    cpus: int = 1, gpus: float = 0.0,
) -> Job:  # fmt: skip
    material = [__version__, recording.name, stage, inputs, [job.key for job in needs]]
    key = hashlib.sha256(msgspec.json.encode(material, order="deterministic")).hexdigest()
    stages = tuple(job.stage for job in needs)
    return Job(recording=recording.name, stage=stage, key=key, work=work, needs=stages, cpus=cpus, gpus=gpus)


def _segments(video: Path, options: Options) -> list[tuple[int, int, int]]:
    """(first frame, the one after the last, frames before the first that warm the detector up)."""
    whole = [(0, 0, 0)]
    if not options.segment_s or video.stat().st_size < 2 * options.segment_s * LEAST_BYTES_PER_S or later_parts(video):
        return whole
    try:
        source = open_source(str(video))
        frames, fps = source.frames, source.fps
        source.close()
    except Exception:  # its own job says what is wrong with it
        return whole
    if fps <= 0 or frames < 2 * options.segment_s * fps:
        return whole
    count = round(frames / (options.segment_s * fps))
    ends = [round(k * frames / count) for k in range(count)]
    warm_up = round(WARM_UP_S * fps)
    return [(a, b, min(a, warm_up)) for a, b in zip(ends, [*ends[1:], 0], strict=True)]


def _fingerprint(folder: Path, files: Iterable[Path | os.DirEntry[str]], content: bool) -> list[list[Any]]:
    """Of each file its name, size and time, or a hash of what is in it."""
    start = len(str(folder)) + 1
    found: list[list[Any]] = []
    for file in files:
        status = file.stat()
        last = sha256_of(Path(file)) if content else status.st_mtime_ns
        found.append([os.fspath(file)[start:], status.st_size, last])
    return sorted(found)


def _below(folder: Path, depth: int) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if depth:
                    yield from _below(Path(entry.path), depth - 1)
            else:
                yield entry


def _check_folders(jobs: list[Job]) -> None:
    """No result may lie in the folder of another: a recording must not be called as a stage of the one above it."""
    folders = {job.name for job in jobs}
    if len(folders) < len(jobs):
        raise ConfigError("two recordings or formats have the same name: rename one")
    for name in folders:
        parts = name.split("/")
        for end in range(1, len(parts)):
            if (above := "/".join(parts[:end])) in folders:
                raise ConfigError(f"the results of {name} would lie in those of {above}: rename the folder")
