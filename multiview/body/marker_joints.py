"""Which marker of another system is which joint of ours: by its name, or by a table."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.common.toml import convert, read_toml
from multiview.errors import ConfigError

__all__ = ["joint_of_marker", "joints_of_markers"]

_PARTS = {
    "shoulder": "shoulder", "sho": "shoulder", "shoulderjoint": "shoulder", "upperarm": "shoulder", "arm": "shoulder",
    "acromial": "shoulder", "mtp": "big_toe",
    "elbow": "elbow", "elb": "elbow", "lowerarm": "elbow", "forearm": "elbow",
    "wrist": "wrist", "wri": "wrist", "hand": "wrist", "radiushand": "wrist",
    "hip": "hip", "upperleg": "hip", "upleg": "hip",
    "knee": "knee", "kne": "knee", "lowerleg": "knee", "leg": "knee",
    "ankle": "ankle", "ank": "ankle", "foot": "ankle",
    "heel": "heel", "bigtoe": "big_toe", "smalltoe": "small_toe", "toe": "big_toe", "toes": "big_toe",
    "toebase": "big_toe", "eye": "eye", "ear": "ear",
}  # fmt: skip
_MIDDLE = {
    "nose": "nose", "neck": "neck", "hips": "mid_hip", "chip": "mid_hip", "pelvis": "mid_hip", "midhip": "mid_hip",
    "hipcenter": "mid_hip", "hip": "mid_hip", "headtop": "head_top",
}  # fmt: skip
_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}


class _Table(msgspec.Struct):
    joints: dict[str, str | list[str]]


def joint_of_marker(marker: str) -> str:
    """Our name of a marker that is named after a joint: "subject:RKnee", "knee_r" and "RightLeg" are right_knee.

    Args:
        marker: As its file has it, with or without the subject's name before a colon.

    Returns:
        The joint; empty where the name is no joint's.
    """
    word = re.sub(r"[^a-z]", "", marker.rpartition(":")[2].lower())
    if word in _MIDDLE:
        return _MIDDLE[word]
    for side, part in ((side, word.removeprefix(side)) for side in _SIDES if word.startswith(side)):
        if part in _PARTS:
            return f"{_SIDES[side]}_{_PARTS[part]}"
    for side, part in ((side, word.removesuffix(side)) for side in _SIDES if word.endswith(side)):
        if part in _PARTS:
            return f"{_SIDES[side]}_{_PARTS[part]}"
    return ""


def joints_of_markers(
    xyz: Float64[np.ndarray, "T M 3"], names: tuple[str, ...], table: Path | None = None
) -> tuple[tuple[str, ...], Float64[np.ndarray, "T K 3"]]:
    """The joints that markers stand for.

    Args:
        xyz: (T, M, 3) m.
        names: Of the markers.
        table: TOML with `JOINT = "MARKER"`, or several of which the joint is the middle; None: by the names.

    Returns:
        Names of the K joints, and (T, K, 3) m, NaN where one of a joint's markers is not seen.

    Raises:
        ConfigError: No marker is a joint, or the table names one that is not there.
    """
    if table is None:
        found = {joint: [name] for name in names if (joint := joint_of_marker(name))}
        if not found:
            raise ConfigError(
                f"no marker is named after a joint ({_few(names)}): say which is which with --joints TABLE"
            )
    else:
        content = convert({"joints": read_toml(table)}, _Table, str(table)).joints
        found = {joint: [own] if isinstance(own, str) else own for joint, own in content.items()}
        absent = [name for own in found.values() for name in own if name not in names]
        if absent or not found:
            raise ConfigError(f"{table}: there is no marker {_few(tuple(absent))}; there are {_few(names)}")
    index = {name: i for i, name in enumerate(names)}
    columns = [xyz[:, [index[name] for name in own]].mean(axis=1) for own in found.values()]
    return tuple(found), np.stack(columns, axis=1)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(name[:40] for name in names[:12]) + (" ..." if len(names) > 12 else "")
