"""Recorded keypoints of a rig in any format: which files there are, whose they are, and their joints."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from multiview.body.skeleton import Skeleton, load_skeleton, skeleton_names
from multiview.cameras.camera import Rig
from multiview.common.names import file_name
from multiview.common.ranges import shown
from multiview.data import Keypoints2D
from multiview.errors import SourceError
from multiview.keypoint_formats._format import HEAD, format_names, format_of, load_format, suffixes
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen
from multiview.keypoint_formats._places import camera_in, frame_in
from multiview.keypoint_formats._size import measured_size
from multiview.keypoint_formats._skeleton import joint_order, sized, skeleton_of
from multiview.recordings.keypoint_folder import NORMALISED, joints_beyond_body, open_keypoint_folders
from multiview.recordings.recorded_keypoints import KeypointSource

__all__ = ["OPENPOSE", "OpenedKeypoints", "holds_keypoints", "open_keypoints"]

OPENPOSE = "openpose"  # folders of one JSON file per frame, which are read frame by frame
OWN_SKELETON = "body25"  # of OpenPose's files, which do not name their joints
OPENPOSE_HANDS = ("openpose67", "openpose137")  # with hands; with hands and face
_PEOPLE = re.compile(rb'"people"\s*:\s*\[\s*[\]{]')  # nobody, or the first person
DEPTH = 2  # folders below the one that is named


@dataclass(slots=True)
class OpenedKeypoints:
    """Recorded keypoints, ready to be read frame by frame.

    Attributes:
        source: Of all cameras.
        skeleton: Of the keypoints.
        formats: Of the files.
        remarks: What was assumed, guessed or left out.
    """

    source: KeypointSource
    skeleton: Skeleton
    formats: tuple[str, ...]
    remarks: list[str] = field(default_factory=list)


class KeypointTable:
    """All keypoints of a rig's cameras in memory; `frames` are the numbers that occur.

    Args:
        tables: For each camera of the rig its keypoints by frame.
    """

    def __init__(self, tables: list[dict[int, Keypoints2D]]) -> None:
        self._tables = tables
        self.frames: tuple[int, ...] = tuple(sorted(set().union(*tables)))

    def read(self, camera: int, frame: int) -> Keypoints2D | None:
        """What one camera saw in one frame; None if its files do not have the frame."""
        return self._tables[camera].get(frame)

    def cameras_without_folder(self) -> tuple[int, ...]:
        """The rig's cameras of which there is nothing."""
        return tuple(camera for camera, table in enumerate(self._tables) if not table)


def open_keypoints(
    path: str | Path, rig: Rig, skeleton: Skeleton | str | None = None, format_name: str = ""
) -> OpenedKeypoints:
    """Find every camera's keypoints, in whatever format they are.

    Args:
        path: A file, or a folder with files or folders that are named after the cameras.
        rig: Whose cameras they are.
        skeleton: Of the keypoints, or its name; None: as the files say.
        format_name: "sleap", "deeplabcut" ... ; empty: by what is in the files.

    Returns:
        The keypoints, their skeleton, and remarks.

    Raises:
        SourceError: Nothing of a known format is there, a file is damaged, or it is of no camera of the rig.
        ConfigError: There is no such skeleton or format.
    """
    path = Path(path)
    wanted = load_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
    found, unknown = _files(path, format_name) if format_name != OPENPOSE and not _is_openpose(path) else ({}, [])
    if not found:
        if path.is_file():
            raise SourceError(f"{path}: no keypoints of a known format ({', '.join((OPENPOSE, *format_names()))})")
        return _openpose(path, rig, wanted)
    files = {file: _read(file, name) for file, name in found.items()}
    remarks = [remark for file in files.values() for remark in file.remarks]
    if unknown:
        names = ", ".join(str(file.relative_to(path)) for file in unknown[:5])
        remarks.append(f"{len(unknown)} files in {path} are of no known format and left out: {names}")
    made = wanted is None
    if wanted is None:
        _same_joints(files)
        own = file_name(path.name.split(".")[0]) or "own"
        wanted, guessed = skeleton_of(list(files.values()), own, str(path))
        remarks += guessed
    tables, said = _tables(files, path, rig, wanted)
    _check_pixels(tables, str(path))
    if made and wanted.name not in skeleton_names():
        wanted, told = sized(wanted, measured_size(tables, rig))
        remarks.append(told)
    return OpenedKeypoints(
        KeypointTable(tables), wanted, tuple(sorted(set(found.values()))), list(dict.fromkeys(remarks + said))
    )


def _openpose(path: Path, rig: Rig, wanted: Skeleton | None) -> OpenedKeypoints:
    skeleton = wanted or load_skeleton(OWN_SKELETON)
    files = open_keypoint_folders(path, rig, skeleton)
    remarks, joints = [], 0 if wanted else joints_beyond_body(files)
    if joints:
        fitting = [name for name in OPENPOSE_HANDS if len(load_skeleton(name).joints) <= joints]
        others = f"; --skeleton {' or '.join(fitting)} reads them" if fitting else ""
        remarks.append(f"{path}: hands or faces in the files are left out{others}")
    return OpenedKeypoints(files, skeleton, (OPENPOSE,), remarks)


def holds_keypoints(folder: Path, files: Iterable[str], folders: Iterable[str]) -> bool:
    """Whether a folder is a recording of keypoints, which `open_keypoints` can read.

    Args:
        folder: Which one.
        files: Names of the files directly in it.
        folders: Names of the folders directly in it.

    Returns:
        True if a folder in it holds OpenPose's files, or a file in it is of a known format.
    """
    endings = suffixes()
    of_formats = (name for name in files if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings)
    if any(not name.lower().endswith(".timestamps.csv") and format_of(folder / name) for name in of_formats):
        return True
    return bool(list(folders)) and _is_openpose(folder)


def _files(path: Path, format_name: str) -> tuple[dict[Path, str], list[Path]]:
    """The files of known formats, and those of the same endings that are none; of a .csv and .h5 of one name one."""
    if path.is_file():
        name = format_name or format_of(path)
        return ({path: name} if name else {}), []
    if not path.is_dir():
        raise SourceError(f"{path}: no such file or folder of keypoints")
    known: dict[Path, str] = {}
    unknown: list[Path] = []
    endings = set(load_format(format_name).SUFFIXES) if format_name else suffixes()
    for file in sorted(_below(path, DEPTH)):
        if file.suffix.lower() not in endings or file.name.lower().endswith(".timestamps.csv"):
            continue
        name = format_name or format_of(file)
        if not name:
            unknown.append(file)
        elif not any(other.with_suffix("") == file.with_suffix("") for other in known):
            known[file] = name
    return known, unknown


def _is_openpose(path: Path) -> bool:
    """Whether a folder holds folders of OpenPose's files: their first ones tell."""
    if not path.is_dir():
        return False
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        with os.scandir(folder) as entries:
            first = next((entry.path for entry in entries if entry.name.endswith(".json")), None)
        if first is not None:
            with Path(first).open("rb") as file:
                return bool(_PEOPLE.search(file.read(HEAD))) and not format_of(Path(first))
    return False


def _below(folder: Path, depth: int) -> Iterable[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            yield entry
        elif depth and entry.is_dir():
            yield from _below(entry, depth - 1)


def _read(path: Path, name: str) -> KeypointFile:
    found = load_format(name).read(path)
    if not found.seen:
        raise SourceError(f"{path}: it holds no frames")
    return found


def _same_joints(files: dict[Path, KeypointFile]) -> None:
    """Files that are fused together have the same joints in the same order, unless a skeleton says which."""
    (first, one), *others = files.items()
    for path, other in others:
        if other.joints != one.joints:
            said = [", ".join(file.joints) or "without names" for file in (one, other)]
            raise SourceError(f"{first} has joints {said[0]}, {path} has {said[1]}; give --skeleton with those wanted")


def _tables(
    files: dict[Path, KeypointFile], root: Path, rig: Rig, skeleton: Skeleton
) -> tuple[list[dict[int, Keypoints2D]], list[str]]:
    """Each camera's keypoints by frame, in the skeleton's order."""
    tables: list[dict[int, Keypoints2D]] = [{} for _ in rig.names]
    origin: dict[tuple[int, int], Path] = {}
    remarks: list[str] = []
    for path, file in files.items():
        order = None
        if file.joints:
            order, said = joint_order(file.joints, skeleton, str(path))
            remarks += said
        own = str(path.relative_to(root)) if root.is_dir() else path.name
        cameras: dict[str, int] = {}
        for seen in file.seen:
            if seen.source not in cameras:
                cameras[seen.source] = _camera(path, own, seen.source, rig)
            camera = cameras[seen.source]
            frame = _frame(path, own, seen, rig.names[camera])
            if frame in tables[camera]:
                other = origin[camera, frame]
                twice = f"{path} has it twice" if other == path else f"{other} and {path} both have it; keep one"
                raise SourceError(f"frame {frame} of camera {rig.names[camera]}: {twice}")
            origin[camera, frame] = path
            tables[camera][frame] = _ordered(seen.keypoints, order, skeleton, path)
    return tables, remarks


def _camera(path: Path, own: str, source: str, rig: Rig) -> int:
    camera = camera_in([source, own] if source else [own], rig.names)
    if camera < 0 and len(rig) == 1:
        return 0
    if camera < 0:
        said = f" (of {shown(source)})" if source else ""
        raise SourceError(
            f"{path}{said}: named as no camera of the rig ({', '.join(rig.names)}); name the file or its folder so"
        )
    return camera


def _frame(path: Path, own: str, seen: Seen, camera: str) -> int:
    frame = seen.frame if seen.frame is not None else frame_in(seen.source or own, camera)
    if frame is None or frame < 0:
        raise SourceError(
            f"{path}: no frame number in the name of {shown(seen.source or own)}; expected one as in img0012.png"
        )
    return frame


def _ordered(keypoints: Keypoints2D, order: np.ndarray | None, skeleton: Skeleton, path: Path) -> Keypoints2D:
    """The joints in the skeleton's order; those it lacks are missing, and who has none is left out."""
    joints = len(skeleton.joints)
    if order is None:
        if not keypoints.people:
            return Keypoints2D.nobody(joints)
        if keypoints.xy.shape[1] != joints:
            raise SourceError(
                f"{path}: {keypoints.xy.shape[1]} joints for a person, but {skeleton.name} has {joints}: give "
                "--skeleton with the right one"
            )
        return keypoints
    xy = np.where((order >= 0)[:, None], keypoints.xy[:, order], np.nan)
    score = np.where(order >= 0, keypoints.score[:, order], 0.0)
    kept = (score > 0).any(axis=1)
    return Keypoints2D(xy[kept], score[kept])


def _check_pixels(tables: list[dict[int, Keypoints2D]], where: str) -> None:
    some = [k.xy for table in tables for k in list(table.values())[:100] if k.people]
    if not some:
        return
    xy = np.concatenate([points.reshape(-1, 2) for points in some])
    low, high = float(np.nanmin(xy)), float(np.nanmax(xy))
    if -NORMALISED <= low <= high <= NORMALISED:
        raise SourceError(
            f"{where}: its coordinates, from {low:.3g} to {high:.3g}, are normalised, not pixels: multiply x by the "
            "picture's width and y by its height"
        )
