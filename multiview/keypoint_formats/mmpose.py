"""MMPose: JSON of its inferencer and demos, one file per video or per picture.

A list of {"frame_id": 0, "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}]} for a video, a list of
instances for a picture, or {"meta_info": {...}, "instance_info": one of these lists}. Only `meta_info` names joints.
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
WHAT = "JSON of MMPose"


class _Instance(msgspec.Struct):
    keypoints: list[tuple[float, float]]
    keypoint_scores: list[float]


class _Frame(msgspec.Struct):
    frame_id: int
    instances: list[_Instance]


class _Meta(msgspec.Struct):
    keypoint_id2name: dict[int, str] = {}
    skeleton_links: list[tuple[int, int]] = []


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file lists instances, with scores beside their keypoints."""
    return (
        starts_with(head, b"{", [b"instance_info"])
        or starts_with(head, b"{", [b"meta_info", b"keypoint_id2name"])
        or starts_with(head, b"[", [b"keypoints", b"keypoint_scores"])
        or starts_with(head, b"[", [b"frame_id", b"instances"])
    )


def read(path: Path) -> KeypointFile:
    """All frames of a video, or one picture."""
    content: Any = load(path, WHAT)
    meta = _Meta()
    if isinstance(content, dict):
        meta = checked(content.get("meta_info", {}), _Meta, path, WHAT)
        content = content.get("instance_info", [])
    if isinstance(content, list) and content and isinstance(content[0], dict) and "frame_id" in content[0]:
        frames = [(f.frame_id, f.instances) for f in checked(content, list[_Frame], path, WHAT)]
    else:
        frames = [(None, checked(content, list[_Instance], path, WHAT))]
    joints = tuple(name for _, name in sorted(meta.keypoint_id2name.items()))
    count = len(joints) or next((len(one.keypoints) for _, people in frames for one in people), 0)
    seen = [
        Seen("", number, one_image([_triples(path, one) for one in people], count, str(path)))
        for number, people in frames
    ]
    links = tuple(meta.skeleton_links) if joints else ()
    if any(not 0 <= joint < count for link in links for joint in link):
        raise SourceError(f"{path}: its skeleton_links name a joint beyond the {count} that there are")
    return KeypointFile(seen, joints, links)


def _triples(path: Path, one: _Instance) -> list[tuple[float, float, float]]:
    if len(one.keypoints) != len(one.keypoint_scores):
        raise SourceError(f"{path}: {len(one.keypoints)} keypoints with {len(one.keypoint_scores)} scores")
    return [(x, y, score) for (x, y), score in zip(one.keypoints, one.keypoint_scores, strict=True)]
