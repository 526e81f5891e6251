"""COCO keypoints: results (a list) and annotations ({"images", "annotations", "categories"}).

Keypoints are x, y and a third number for each joint: a score in results, in annotations 0 where the joint is not
labelled, 1 where it is hidden and 2 where it is visible (here scores 0, 0.5 and 1). The number of a result's image is
the frame; an annotation belongs to a picture, whose name tells camera and frame. Bones count joints from 1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from multiview.errors import SourceError
from multiview.keypoint_formats._json import checked, load, starts_with
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen, one_image

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".json",)
_NUMBERED = re.compile(rb'"image_id"\s*:\s*\d')
RESULTS, ANNOTATIONS = "COCO keypoint results", "COCO keypoint annotations"


class _Result(msgspec.Struct):
    image_id: int
    keypoints: list[float]
    score: float = 1.0


class _Image(msgspec.Struct):
    id: int
    file_name: str


class _Annotation(msgspec.Struct):
    image_id: int
    keypoints: list[float] = []
    category_id: int = 1
    iscrowd: int = 0


class _Category(msgspec.Struct):
    id: int
    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] = []


class _Annotations(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is a list of results with numbered images, or has images and annotations."""
    if starts_with(head, b"{", [b"images"]) or starts_with(head, b"{", [b"annotations"]):
        return True
    if starts_with(head, b"{", [b"categories"]) or starts_with(head, b"{", [b"info"]):
        return True
    return starts_with(head, b"[", [b"image_id", b"keypoints"]) and _NUMBERED.search(head) is not None


def read(path: Path) -> KeypointFile:
    """All images of the file."""
    content: Any = load(path, "COCO keypoints")
    return _results(path, content) if isinstance(content, list) else _annotations(path, content)


def triples(path: Path, values: list[float]) -> list[tuple[float, float, float]]:
    """x, y and the third number for each joint."""
    if len(values) % 3:
        raise SourceError(f"{path}: {len(values)} numbers for a person, which are no triples of x, y, score")
    return list(zip(values[::3], values[1::3], values[2::3], strict=True))


def _results(path: Path, content: Any) -> KeypointFile:
    frames: dict[int, list[list[tuple[float, float, float]]]] = {}
    for result in checked(content, list[_Result], path, RESULTS):
        frames.setdefault(result.image_id, []).append(triples(path, result.keypoints))
    count = next((len(people[0]) for people in frames.values()), 0)
    return KeypointFile([Seen("", n, one_image(people, count, str(path))) for n, people in sorted(frames.items())])


def _annotations(path: Path, content: Any) -> KeypointFile:
    file: _Annotations = checked(content, _Annotations, path, ANNOTATIONS)
    named = [category for category in file.categories if category.keypoints]
    if not named:
        raise SourceError(f"{path}: no category of it names keypoints; export keypoints, not boxes")
    category, remarks = named[0], []
    if len(named) > 1:
        others = len(named) - 1
        remarks.append(f"{path}: the first of {others + 1} categories with keypoints is read")
    people: dict[int, list[list[tuple[float, float, float]]]] = {image.id: [] for image in file.images}
    for one in file.annotations:
        if one.category_id != category.id or not one.keypoints:
            continue
        if one.image_id not in people:
            raise SourceError(f"{path}: an annotation is of image {one.image_id}, which is not among the images")
        people[one.image_id].append([(x, y, seen / 2) for x, y, seen in triples(path, one.keypoints)])
    joints = len(category.keypoints)
    bones = tuple((a - 1, b - 1) for a, b in category.skeleton)
    if any(not 0 <= joint < joints for bone in bones for joint in bone):
        raise SourceError(f"{path}: its skeleton names a joint beyond the {joints} that there are (they count from 1)")
    seen = [Seen(image.file_name, None, one_image(people[image.id], joints, str(path))) for image in file.images]
    return KeypointFile(seen, tuple(category.keypoints), bones, (), remarks)
