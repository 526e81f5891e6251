"""The skeleton of recorded keypoints, by the number of joints in their files."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec

from multiview.body.skeleton import load_skeleton, skeleton_names

__all__ = ["folder_skeleton"]

FILES = 100  # of each camera that are looked at for a person


class _Person(msgspec.Struct):
    pose_keypoints_2d: list[float]


class _File(msgspec.Struct):
    people: list[_Person]


def folder_skeleton(directory: str | Path) -> str:
    """The name of the skeleton that ships with multiview and has as many joints as the people in a keypoint folder.

    Args:
        directory: Holds one folder per camera, with OpenPose JSON files.

    Returns:
        Its name; empty where nothing can be read, nobody is in the first files, or no skeleton fits.
    """
    decoder = msgspec.json.Decoder(_File)
    for path in (
        file for folder in sorted(Path(directory).glob("*/")) for file in islice(folder.glob("*.json"), FILES)
    ):
        try:
            people = decoder.decode(path.read_bytes()).people
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
            continue
        if people:
            values = len(people[0].pose_keypoints_2d)
            fitting = [name for name in skeleton_names() if 3 * len(load_skeleton(name).joints) == values]
            return fitting[0] if len(fitting) == 1 else ""
    return ""
