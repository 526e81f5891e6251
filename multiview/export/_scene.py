"""What a 3D viewer shows: people with their bones, and the cameras around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from multiview.body.skeleton import find_skeleton
from multiview.cameras.camera import Camera
from multiview.cameras.rig_file import load_rig
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses

__all__ = ["PersonTrack", "Picture", "Scene", "scene_of"]


class Picture(NamedTuple):
    """What a camera saw.

    Attributes:
        camera: Its name.
        time_ns: On the clock of the ticks.
        jpeg: The picture.
    """

    camera: str
    time_ns: int
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class PersonTrack:
    """One person in all F frames of a take.

    Attributes:
        number: Identity.
        label: Name, or "person" and the number.
        row: (F,) of the poses; -1 where the person is not there.
    """

    number: int
    label: str
    row: Int64[np.ndarray, " F"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """People, bones and cameras.

    Attributes:
        poses: Everyone at every frame.
        bones: Pairs of joints; empty where the skeleton is not known.
        cameras: Those of the rig; empty where it is not there.
        frame: (F,) numbers of the frames.
        time_ns: (F,) on the clock of the ticks.
        utc_ns: (F,) since 1970 (UTC); 0 where unknown.
        pictures: What the cameras saw, camera after camera; gone through once.
        width_px: Of the pictures, at most.
    """

    poses: Poses
    bones: tuple[tuple[int, int], ...]
    cameras: tuple[Camera, ...]
    frame: Int64[np.ndarray, " F"]
    time_ns: Int64[np.ndarray, " F"]
    utc_ns: Int64[np.ndarray, " F"]
    pictures: Iterable[Picture] = ()
    width_px: int = 0

    def tracks(self) -> Iterator[PersonTrack]:
        """Everyone, in the order of their numbers."""
        place = np.searchsorted(self.frame, self.poses.frame)
        for number in self.poses.people.tolist():
            own = np.flatnonzero(self.poses.person == number)
            row = np.full(len(self.frame), -1, dtype=np.int64)
            row[place[own]] = own
            yield PersonTrack(number, self.poses.label(number), row)


def scene_of(
    poses: Poses,
    folder: Path | None = None,
    rig: Path | None = None,
    pictures: Iterable[Picture] = (),
    width_px: int = 0,
) -> Scene:
    """The scene of a take.

    Args:
        poses: Its poses.
        folder: Where its own skeletons lie; None: nowhere.
        rig: The file of its cameras, which may be absent.
        pictures: What they saw.
        width_px: Of the pictures, at most.

    Returns:
        The scene.

    Raises:
        ConfigError: The rig is there and cannot be read.
    """
    frame, first = np.unique(poses.frame, return_index=True)
    try:
        bones = find_skeleton(poses.skeleton, folder or Path()).bones
    except ConfigError:  # a table of another program
        bones = ()
    cameras = load_rig(rig).cameras if rig is not None and rig.is_file() else ()
    return Scene(poses, bones, cameras, frame, poses.time_ns[first], poses.utc_ns[first], pictures, width_px)
