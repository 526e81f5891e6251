"""Recorded 2D keypoints: one folder per camera, one OpenPose JSON file per frame.

    keypoints/cam01/cam01_000300_keypoints.json          (cam01_json is read as cam01)

The last number in a file's name that differs from file to file is its frame. A person's hands and face, which OpenPose
writes beside the body (--hand, --face), are read where the skeleton has as many joints: body, left hand, right hand,
then face (`openpose67`, `openpose137`). Values are rounded to float32, as on the
wire, so that a folder fused offline and played live give the same poses.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import numpy as np

from multiview.body.skeleton import Skeleton, load_skeleton, skeleton_names
from multiview.cameras.camera import Rig
from multiview.common.atomic_file import writing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.common.names import same_name
from multiview.data import Keypoints2D
from multiview.errors import SourceError
from multiview.recordings import keypoint_folder_kernels

__all__ = [
    "KeypointFolders",
    "check_first_people",
    "frames_in",
    "joints_beyond_body",
    "open_keypoint_folders",
    "read_keypoints",
    "write_keypoints",
]

_NUMBERS = re.compile(r"\d+")
MAX_DIGITS = 18  # of a frame number
NORMALISED = 2.0  # px: whole people are never so near the corner, and coordinates of 0..1 or -1..1 always


class _Person(msgspec.Struct):
    pose_keypoints_2d: list[float]
    hand_left_keypoints_2d: list[float] = []
    hand_right_keypoints_2d: list[float] = []
    face_keypoints_2d: list[float] = []

    def parts(self) -> tuple[list[float], list[float], list[float]]:
        """The body; with hands; with hands and face."""
        hands = self.pose_keypoints_2d + self.hand_left_keypoints_2d + self.hand_right_keypoints_2d
        return self.pose_keypoints_2d, hands, hands + self.face_keypoints_2d


class _File(msgspec.Struct):
    people: list[_Person]


_BLOCK = 1 << 16  # bytes; hardly a file is larger
_DECODER = msgspec.json.Decoder(_File)


class KeypointFolders:
    """The recorded keypoints of a rig's cameras; made by `open_keypoint_folders`. `frames` are the numbers that occur.

    Args:
        files: For each camera of the rig its files by frame.
        skeleton: Of the files.
    """

    def __init__(self, files: list[dict[int, str]], skeleton: Skeleton) -> None:
        self._files = files
        self._skeleton = skeleton
        self.frames: tuple[int, ...] = tuple(sorted(set().union(*files)))

    def read(self, camera: int, frame: int) -> Keypoints2D | None:
        """What one camera saw in one frame.

        Args:
            camera: Its place in the rig.
            frame: The number in the file's name.

        Returns:
            Its keypoints; None if it has no file for this frame.

        Raises:
            SourceError: The file is cut or of another form.
        """
        path = self._files[camera].get(frame)
        return None if path is None else read_keypoints(path, self._skeleton)

    def first_files(self, count: int) -> list[str]:
        """Files of the first camera that has any.

        Args:
            count: How many at most.

        Returns:
            Their paths.
        """
        return list(next((files for files in self._files if files), {}).values())[:count]

    def cameras_without_folder(self) -> tuple[int, ...]:
        """The rig's cameras that recorded nothing.

        Returns:
            Their numbers in the rig.
        """
        return tuple(camera for camera, files in enumerate(self._files) if not files)


def open_keypoint_folders(directory: str | Path, rig: Rig, skeleton: Skeleton) -> KeypointFolders:
    """Find every camera's files; a camera of the rig may have no folder.

    Args:
        directory: Holds one folder per camera.
        rig: Whose names the folders have.
        skeleton: Of the files.

    Returns:
        The folders, to be read frame by frame.

    Raises:
        SourceError: The directory is missing or holds no camera's folder, a folder is of a camera that the rig does not
            have or has no frames, or its files are of another skeleton.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise SourceError(f"{directory}: no such folder of keypoints (one folder per camera, one JSON file per frame)")
    files: list[dict[int, str]] = [{} for _ in rig.names]
    folders: dict[int, Path] = {}
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")):
        camera = _camera_of(folder, rig)
        if camera in folders:
            raise SourceError(f"{folders[camera]} and {folder} are both of camera {rig.names[camera]}; keep one")
        folders[camera] = folder
        files[camera] = frames_in(folder)
    if not folders:
        names = ", ".join(rig.names)
        raise SourceError(
            f"{directory} has no folder for any camera of the rig ({names}); expected {directory / rig.names[0]}"
        )
    for camera in folders:
        check_first_people(files[camera], skeleton)
    return KeypointFolders(files, skeleton)


def _camera_of(folder: Path, rig: Rig) -> int:
    for called in (folder.name, folder.name.removesuffix("_json")):
        for index, name in enumerate(rig.names):
            if same_name(called, name):
                return index
    raise SourceError(f"{folder}: the rig has no camera {folder.name!r}; it has {', '.join(rig.names)}")


def frames_in(folder: Path) -> dict[int, str]:
    """The files of one camera by frame; plain strings, because a long recording has hundreds of thousands.

    Args:
        folder: The camera's folder.

    Returns:
        {frame: path}.

    Raises:
        SourceError: There is no file, one without a number, or two of one number.
    """
    names = sorted(n for n in os.listdir(reading(folder)) if n.endswith(".json") and not n.startswith("."))
    if not names:
        raise SourceError(f"{folder} is empty: it has no JSON file; remove it if the camera recorded nothing")
    frames: dict[int, str] = {}
    for name, frame in zip(names, _frame_numbers(folder, names), strict=True):
        if frame in frames:
            raise SourceError(f"{frames[frame]} and {name} are both frame {frame}; keep one")
        frames[frame] = os.path.join(folder, name)
    return frames


def _frame_numbers(folder: Path, names: list[str]) -> list[int]:
    """Of the numbers in each name the last that tells the files apart: `000300_2d` and `000301_2d` are 300 and 301."""
    found = [_NUMBERS.findall(name.removesuffix(".json"))[::-1] for name in names]
    for name, numbers in zip(names, found, strict=True):
        if not numbers or len(numbers[0]) > MAX_DIGITS:
            raise SourceError(
                f"{folder / name}: no frame number in its name; expected one as in {folder.name}_000300_keypoints.json"
            )
    for place in range(min(map(len, found))):
        column = [numbers[place] for numbers in found]
        if len({int(text) for text in column if len(text) <= MAX_DIGITS}) == len(names):
            return [int(text) for text in column]
    return [int(numbers[0]) for numbers in found]


def check_first_people(frames: dict[int, str], skeleton: Skeleton) -> None:
    """Read up to the first files with people, so that what is wrong with all of them is found before the work begins.

    Args:
        frames: One camera's files, as `frames_in` finds them.
        skeleton: Of the files.

    Raises:
        SourceError: A file is of another skeleton, or its coordinates are not pixels.
    """
    low, high, files, first = np.inf, -np.inf, 0, ""
    for path in list(frames.values())[:100]:
        xy = read_keypoints(path, skeleton).xy
        if np.isfinite(xy).any():
            low, high = min(low, float(np.nanmin(xy))), max(high, float(np.nanmax(xy)))
            first, files = first or path, files + 1
        if files == 10 or high > NORMALISED:
            break
    if files and -NORMALISED <= low <= high <= NORMALISED:
        raise SourceError(
            f"{first}: its coordinates, from {low:.3g} to {high:.3g}, are normalised, not pixels: write pixels "
            "(OpenPose: --keypoint_scale 0), or multiply x by the picture's width and y by its height"
        )


def read_keypoints(path: str | Path, skeleton: Skeleton) -> Keypoints2D:
    """The people in one OpenPose JSON file; a joint with score 0 is missing, a person without any joint is left out.

    Args:
        path: The file.
        skeleton: Whose joints it has.

    Returns:
        Their joints, rounded to float32.

    Raises:
        SourceError: The file is cut, not of this form, or of another number of joints.
    """
    with foreign_errors(path, "OpenPose JSON"):
        content = _content(path)
        try:
            people = [_fitting(person, 3 * len(skeleton.joints)) for person in _DECODER.decode(content).people]
        except msgspec.DecodeError:
            if b"NaN" in content or b"Infinity" in content:  # as Python's json writes them
                raise SourceError(
                    f"{path}: holds NaN or Infinity, which JSON does not have: write 0, 0, 0 for a missing joint"
                ) from None
            raise
    joints = len(skeleton.joints)
    for values in people:
        if len(values) != 3 * joints:
            raise SourceError(_wrong_count(path, len(values), skeleton))
    if not people:
        return Keypoints2D.nobody(joints)
    triples = np.array(people, dtype=np.float32).reshape(len(people), joints, 3)
    xy, score = np.empty((len(people), joints, 2)), np.empty((len(people), joints))
    count = keypoint_folder_kernels.clean(triples, xy, score)
    return Keypoints2D(xy, score) if count == len(people) else Keypoints2D(xy[:count].copy(), score[:count].copy())


def _fitting(person: _Person, count: int) -> list[float]:
    """The body, or with hands and face where there are as many as wanted; everything where nothing is."""
    if len(person.pose_keypoints_2d) == count:
        return person.pose_keypoints_2d
    parts = person.parts()
    return next((values for values in parts if len(values) == count), parts[-1])


def joints_beyond_body(files: KeypointFolders) -> int:
    """How many joints OpenPose's files have of a person, hands and face included.

    Args:
        files: Of all cameras.

    Returns:
        Their number; 0 where people have neither hands nor a face.
    """
    for path in files.first_files(100):
        for person in _DECODER.decode(_content(path)).people:
            body, _, everything = person.parts()
            return len(everything) // 3 if len(everything) > len(body) else 0
    return 0


def _content(path: str | Path) -> bytes:
    """All bytes of a small file, with as few calls as there can be."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))  # a pipe is empty
    try:
        parts = [os.read(file, _BLOCK)]
        while len(parts[-1]) == _BLOCK:
            parts.append(os.read(file, _BLOCK))
    finally:
        os.close(file)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _wrong_count(path: str | Path, count: int, skeleton: Skeleton) -> str:
    fitting = [name for name in skeleton_names() if 3 * len(load_skeleton(name).joints) == count]
    hint = f"try --skeleton {' or '.join(fitting)}" if fitting else "no skeleton that ships with multiview has as many"
    expected = f"{skeleton.name} has {len(skeleton.joints)} joints of x, y, score ({3 * len(skeleton.joints)})"
    return f"{path}: {count} values for a person, but {expected}; {hint}"


def write_keypoints(keypoints: Keypoints2D, path: str | Path) -> None:
    """Write one frame as OpenPose JSON; a missing joint is 0, 0, 0. What is read back is the same to the float32.

    Args:
        keypoints: Of one camera.
        path: Where; the last number in its name is the frame.
    """
    triples = np.concatenate([np.nan_to_num(keypoints.xy), keypoints.score[..., None]], axis=-1)
    shortest = triples.astype(np.float32).astype(str).astype(np.float64)  # 0.1, not 0.10000000149011612
    people = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in shortest]
    writing(path).write_bytes(msgspec.json.encode({"version": 1.3, "people": people}))
