"""AlphaPose: alphapose-results.json, in its default form and with --format open or cmu.

By default a list of {"image_id": "12.jpg", "keypoints": [x, y, score, ...], "score": ...}; else
{"12.jpg": {"people" or "bodies": [{"pose_keypoints_2d" or "joints": [...]}]}}. The number in a picture's name is the
frame.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from multiview.keypoint_formats._json import checked, load, starts_with
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen, one_image
from multiview.keypoint_formats.coco import triples

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".json",)
WHAT = "JSON of AlphaPose"
_LISTED = re.compile(rb'"image_id"\s*:\s*"')
_BY_PICTURE = re.compile(rb'^\s*\{\s*"[^"]*"\s*:\s*\{\s*"version"\s*:\s*"AlphaPose')


class _Listed(msgspec.Struct):
    image_id: str
    keypoints: list[float]


class _Person(msgspec.Struct):
    joints: list[float] = []
    pose_keypoints_2d: list[float] = []


class _Picture(msgspec.Struct):
    people: list[_Person] = []
    bodies: list[_Person] = []


def recognises(path: Path, head: bytes) -> bool:
    """Whether results are of named pictures, not of numbered ones as in COCO."""
    listed = starts_with(head, b"[", [b"image_id", b"keypoints"]) and _LISTED.search(head) is not None
    return listed or _BY_PICTURE.match(head) is not None


def read(path: Path) -> KeypointFile:
    """All pictures of one camera."""
    content: Any = load(path, WHAT)
    pictures: dict[str, list[list[tuple[float, float, float]]]] = {}
    if isinstance(content, list):
        for one in checked(content, list[_Listed], path, WHAT):
            pictures.setdefault(one.image_id, []).append(triples(path, one.keypoints))
    else:
        for name, picture in checked(content, dict[str, _Picture], path, WHAT).items():
            people = (person.joints or person.pose_keypoints_2d for person in picture.people + picture.bodies)
            pictures[name] = [triples(path, values) for values in people]
    count = next((len(people[0]) for people in pictures.values() if people), 0)
    return KeypointFile([Seen(name, None, one_image(people, count, str(path))) for name, people in pictures.items()])
