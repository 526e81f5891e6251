"""Label Studio: its JSON export of keypoints drawn on pictures.

A list of tasks with the picture under `data` and regions under `annotations`; x and y are per cent of the picture's
width and height, and become pixels by `original_width` and `original_height`. Regions with one parent, or related to
one box, are one animal or person; without either, a label that comes twice begins the next one. 0 % is the picture's
edge, half a pixel before the first pixel's centre, but not in files that sleap-io writes, which name video and frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from multiview.errors import SourceError
from multiview.keypoint_formats._json import checked, load, starts_with
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen, one_image

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".json",)
WHAT = "a JSON export of Label Studio"
PICTURES = ("image", "img", "picture")  # what templates call the field


class _Value(msgspec.Struct):
    x: float | None = None
    y: float | None = None
    keypointlabels: list[str] = []


class _Region(msgspec.Struct):
    type: str
    id: str = ""
    value: _Value = msgspec.field(default_factory=_Value)
    original_width: float = 0.0
    original_height: float = 0.0
    parentID: str | None = None
    from_id: str = ""
    to_id: str = ""


class _Work(msgspec.Struct):
    result: list[_Region]
    was_cancelled: bool = False


class _Video(msgspec.Struct):
    filename: str
    frame_idx: int


class _Meta(msgspec.Struct):
    video: _Video | None = None


class _Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[_Work]
    id: int = 0
    meta: _Meta = msgspec.field(default_factory=_Meta)


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is a list of tasks with regions."""
    return starts_with(head, b"[", [b"annotations", b"result"]) and b'"original_width"' in head


def read(path: Path) -> KeypointFile:
    """All pictures that somebody annotated; where several people did, the last one's work."""
    tasks: list[_Task] = checked(load(path, WHAT), list[_Task], path, WHAT)
    done = [(task, [work for work in task.annotations if not work.was_cancelled]) for task in tasks]
    regions = [(task, works[-1].result) for task, works in done if works]
    labels = dict.fromkeys(
        region.value.keypointlabels[0] for _, found in regions for region in found if region.value.keypointlabels
    )
    if not labels:
        raise SourceError(f"{path}: nobody has drawn keypoints in it (regions of the type keypointlabels)")
    joints, seen = tuple(sorted(labels)), []
    for task, found in regions:
        video = task.meta.video
        people = _people(path, found, joints, 0.5 if video is None else 0.0)
        source, frame = (_picture(path, task), None) if video is None else (video.filename, video.frame_idx)
        seen.append(Seen(source, frame, one_image(people, len(joints), str(path))))
    return KeypointFile(seen, joints)


def _picture(path: Path, task: _Task) -> str:
    values = [task.data[key] for key in PICTURES if key in task.data] or list(task.data.values())
    named = [value for value in values if isinstance(value, str)]
    if not named:
        raise SourceError(f"{path}: task {task.id} has no picture in its data")
    return named[0].split("?d=")[-1].replace("\\", "/")


def _people(
    path: Path, regions: list[_Region], joints: tuple[str, ...], edge_px: float
) -> list[list[tuple[float, float, float]]]:
    """For each one x, y and score of every joint; the picture's edge is `edge_px` before the first pixel's centre."""
    parent = {region.to_id: region.from_id for region in regions if region.type == "relation"}
    parent |= {region.from_id: region.to_id for region in regions if region.type == "relation"}
    boxes = {region.id for region in regions if region.type in ("rectanglelabels", "rectangle")}
    people: dict[str, dict[str, tuple[float, float, float]]] = {}
    for region in regions:
        if not region.value.keypointlabels:
            continue
        if not (region.original_width > 0 and region.original_height > 0):
            raise SourceError(f"{path}: a keypoint without original_width and original_height")
        label, owner = region.value.keypointlabels[0], region.parentID or parent.get(region.id, "")
        owner = owner if region.parentID or owner in boxes else ""
        number = 0
        while label in people.setdefault(f"{owner}/{number}", {}):
            number += 1
        across, down = region.value.x, region.value.y
        if across is None or down is None:
            raise SourceError(f"{path}: a keypoint without x or y")
        x, y = across / 100 * region.original_width, down / 100 * region.original_height
        people[f"{owner}/{number}"][label] = (x - edge_px, y - edge_px, 1.0)
    return [[person.get(joint, (0.0, 0.0, 0.0)) for joint in joints] for person in people.values() if person]
