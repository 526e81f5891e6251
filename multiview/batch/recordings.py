"""The recordings below a folder: videos, recorded keypoints and takes, each with its rig."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.common.atomic_file import VIDEO_SUFFIXES
from multiview.common.counted import counted
from multiview.common.names import name_of_file
from multiview.errors import MultiviewError, SourceError
from multiview.keypoint_formats import holds_keypoints
from multiview.sources import later_parts, without_parts

__all__ = ["MARKER", "Found", "Kind", "Recording", "Rejected", "files_of", "find_recordings"]

MARKER = "batch.json"  # in every folder of results, which is never searched for recordings
RIG = "rig.toml"
LEAST_CAMERAS = 2

Kind = Literal["videos", "keypoints", "take"]


class Recording(NamedTuple):
    """One recording.

    Attributes:
        name: Its path below the root, with slashes; the root's own name where it is the root itself.
        path: Of its folder.
        kind: What is in the folder.
        rig_path: The calibration of its cameras.
        rig: The same, read.
        videos: The first file of each camera, by the camera's name; of videos only.
        notes: What was left out.
    """

    name: str
    path: Path
    kind: Kind
    rig_path: Path
    rig: Rig
    videos: dict[str, Path]
    notes: tuple[str, ...] = ()


class Rejected(NamedTuple):
    """A folder that holds a recording of which nothing can be made, and why."""

    name: str
    path: Path
    why: str


class Found(NamedTuple):
    """What there is below a folder, each in the order of the names."""

    recordings: list[Recording]
    rejected: list[Rejected]


def find_recordings(root: Path, rig: Path | None = None) -> Found:
    """Every recording below a folder, and the folder itself if it is one.

    A folder with videos is a recording, a folder with one folder of OpenPose's files per camera or with files of
    another program's keypoints, and a take. Hidden folders and folders of results are passed over.

    Args:
        root: Where to search.
        rig: Of all recordings; None: the nearest `rig.toml` in the recording's folder or above it.

    Returns:
        The recordings, and what cannot be used.

    Raises:
        SourceError: `root` is no folder.
        MultiviewError: `rig` cannot be read.
    """
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder")
    rigs = _Rigs(rig)
    found = Found([], [])
    for folder, kind in _walk(root):
        name = folder.relative_to(root).as_posix() if folder != root else root.resolve().name
        try:
            found.recordings.append(_recording(name, folder, kind, rigs))
        except (MultiviewError, OSError) as error:
            found.rejected.append(Rejected(name, folder, str(error)))
    return found


class _Rigs:
    """Reads each rig once."""

    def __init__(self, given: Path | None) -> None:
        self._given = given
        self._read: dict[Path, Rig | MultiviewError] = {}
        if given is not None:
            self._read[given] = load_rig(given)

    def of(self, folder: Path) -> tuple[Path, Rig]:
        path = self._given or self._nearest(folder)
        if path not in self._read:
            try:
                self._read[path] = load_rig(path)
            except MultiviewError as error:
                self._read[path] = error
        rig = self._read[path]
        if isinstance(rig, MultiviewError):
            raise rig
        return path, rig

    def _nearest(self, folder: Path) -> Path:
        resolved = folder.resolve()
        for above in (resolved, *resolved.parents):
            if (path := above / RIG).is_file():
                return path
        raise SourceError(f"{folder}: no {RIG} in it or above it; put one there, or give --rig")


def _walk(root: Path) -> Iterator[tuple[Path, Kind]]:
    """Folders that are recordings, in order; each folder once, whatever links lead to it."""
    todo, seen = [root], set[tuple[int, int]]()
    while todo:
        folder = todo.pop()
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in seen or any(entry.name == MARKER for entry in entries):
            continue
        seen.add((status.st_dev, status.st_ino))
        files = [entry.name for entry in entries if entry.is_file()]
        folders = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
        kind = _kind(folder, files, folders)
        if kind:
            yield folder, kind
        if kind in ("", "videos"):
            todo += [folder / name for name in reversed(folders)]


def _kind(folder: Path, files: list[str], folders: list[str]) -> Kind | Literal[""]:
    if any(name == "take.toml" or name.endswith(".mcap") for name in files):
        return "take"
    if any(Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith(".") for name in files):
        return "videos"
    try:
        return "keypoints" if holds_keypoints(folder, files, folders) else ""
    except (MultiviewError, OSError):  # what is wrong with it, its own job says
        return "keypoints"


def _recording(name: str, folder: Path, kind: Kind, rigs: _Rigs) -> Recording:
    if kind == "take" and folder.name.endswith(".partial"):
        raise SourceError(
            f"{folder}: a take that is not finished: it is being recorded, or `multiview recover` mends it"
        )
    rig_path, rig = rigs.of(folder)
    if kind != "videos":
        return Recording(name, folder, kind, rig_path, rig, {})
    videos: dict[str, Path] = {}
    unknown = []
    for video in _videos(folder):
        camera = name_of_file(video.stem)
        if camera not in rig.names:
            unknown.append(video.name)
        elif camera in videos:
            raise SourceError(f"{videos[camera]} and {video.name} are both of camera {camera}; keep one")
        else:
            videos[camera] = video
    left_out = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
    if len(videos) < LEAST_CAMERAS:
        said = f"{folder}: {counted(len(videos), 'video')} named after a camera of {rig_path}"
        names = ", ".join(rig.names[:4]) + (" ..." if len(rig) > 4 else "")
        raise SourceError(f"{said} ({names}), and two are needed{'; there is ' * bool(unknown)}{left_out}")
    notes = (f"left out, named after no camera: {left_out}",) if unknown else ()
    return Recording(name, folder, kind, rig_path, rig, videos, notes)


def _videos(folder: Path) -> list[Path]:
    """Its videos, without the later parts of others; a video that is cut in parts is read from the first one."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    return without_parts(found)


def files_of(video: Path) -> list[Path]:
    """All files that a camera's video is read from: its parts, and the times beside each."""
    parts = [video, *later_parts(video)]
    stamps = [part.with_name(f"{part.stem}.timestamps.csv") for part in parts]
    return [*parts, *(path for path in stamps if path.is_file())]
