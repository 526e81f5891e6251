"""One camera's 2D poses as a file, to the bit: `poses2d.npz`, and beside it a skeleton that does not ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multiview.body.skeleton import Skeleton, find_skeleton, save_own_skeleton
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.names import name_fault
from multiview.data import Keypoints2D
from multiview.errors import SourceError
from multiview.recordings.recorded_keypoints import Recording

__all__ = ["join", "read_camera_poses", "write_camera_poses"]

NAME = "poses2d.npz"


def write_camera_poses(recording: Recording, skeleton: Skeleton, folder: Path) -> None:
    """Write them.

    Args:
        recording: What one camera saw.
        skeleton: Of the poses.
        folder: Where.
    """
    seen, joints = recording.keypoints, len(skeleton.joints)
    with_cov = [keypoints.cov is not None for keypoints in seen]
    with_visibility = [keypoints.visibility is not None for keypoints in seen]
    columns: dict[str, Any] = {
        "camera": recording.camera,
        "fps": recording.fps,
        "skeleton": skeleton.name,
        "trouble": recording.trouble,
        "frame": np.array(recording.frames, np.int64),
        "time_ns": np.array(recording.times_ns, np.int64),
        "people": np.array([keypoints.people for keypoints in seen], np.int64),
        "has_cov": np.array(with_cov, bool),
        "has_visibility": np.array(with_visibility, bool),
        "xy": _stacked([k.xy for k in seen], (joints, 2)),
        "score": _stacked([k.score for k in seen], (joints,)),
        "cov": _stacked([k.cov for k in seen if k.cov is not None], (joints, 2, 2)),
        "visibility": _stacked([k.visibility for k in seen if k.visibility is not None], (joints,)),
    }
    with replacing(folder / NAME) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **columns)
    save_own_skeleton(skeleton, folder)


def read_camera_poses(folder: Path) -> tuple[Recording, Skeleton]:
    """Read what `write_camera_poses` wrote.

    Args:
        folder: Where.

    Returns:
        The poses and their skeleton.

    Raises:
        SourceError: The file is missing or damaged.
    """
    path = folder / NAME
    with (
        foreign_errors(path, "2D poses of a batch"),
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        columns = {name: stored[name] for name in stored.files}
        recording = Recording(
            str(columns["camera"]),
            float(columns["fps"]),
            columns["frame"].tolist(),
            columns["time_ns"].tolist(),
            trouble=str(columns["trouble"]),
        )
        people = columns["people"]
        rows = _parts(people)
        covs, visibilities = _parts(people * columns["has_cov"]), _parts(people * columns["has_visibility"])
        for i in range(len(people)):
            recording.keypoints.append(
                Keypoints2D(
                    columns["xy"][rows[i]],
                    columns["score"][rows[i]],
                    columns["cov"][covs[i]] if columns["has_cov"][i] else None,
                    columns["visibility"][visibilities[i]] if columns["has_visibility"][i] else None,
                )
            )
        skeleton = str(columns["skeleton"])
        if fault := name_fault(skeleton):
            raise SourceError(f"{path}: its skeleton: {fault}")
    return recording, find_skeleton(skeleton, folder)


def join(parts: list[Recording]) -> Recording:
    """The segments of one camera's recording as one; where a segment broke off, the recording ends.

    Args:
        parts: In order.

    Returns:
        All of it.

    Raises:
        SourceError: A frame is missing between two segments.
    """
    whole = Recording(parts[0].camera, parts[0].fps)
    for part in parts:
        if whole.frames and part.frames and part.frames[0] <= whole.frames[-1]:
            raise SourceError(f"{part.camera}: segments overlap at frame {part.frames[0]}")
        whole.frames += part.frames
        whole.times_ns += part.times_ns
        whole.keypoints += part.keypoints
        whole.trouble = part.trouble
        if part.trouble:
            break
    return whole


def _stacked(values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.empty((0, *shape)), *values]).astype(np.float64)


def _parts(counts: np.ndarray) -> list[slice]:
    ends = np.cumsum(counts).tolist()
    return [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
