"""Packets of the Qualisys Track Manager real-time protocol, version 1.25, little-endian.

References:
    QTM RT Server Protocol Documentation, https://docs.qualisys.com/qtm-rt-protocol/
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.body.kinematics import Humanoid

__all__ = ["Body", "Event", "Packet", "data_packet", "event_packet", "parameters", "text_packet"]

_HEADER = struct.Struct("<II")  # size of all, type
_VERSION = "1.25"
# The rest pose, whose bones are y up, in the world, whose z is up: 90 degrees about x.
_WORLD_FROM_REST = (float(np.sqrt(0.5)), 0.0, 0.0, float(np.sqrt(0.5)))
_NO_ROTATION = (0.0, 0.0, 0.0, 1.0)
_POINTS, _POINTS_RESIDUAL, _SKELETON = 1, 9, 18  # types of components


class Packet(IntEnum):
    """Types of packets."""

    ERROR = 0
    COMMAND = 1
    XML = 2
    DATA = 3
    NO_MORE_DATA = 4
    EVENT = 6


class Event(IntEnum):
    """What a client is told of without asking."""

    CONNECTED = 1
    SETTINGS_CHANGED = 11
    SHUTTING_DOWN = 12


class Body(NamedTuple):
    """One person at one tick; the world's z is up.

    Attributes:
        name: What clients call them.
        xyz: (J, 3) m, NaN where unknown.
        sigma: (J,) m, NaN where unknown.
        rest: Their bones; None while nobody is there.
        places: (B, 3) m, where the bones begin, world.
        world: (B, 4) their rotations, x y z w, world.
        offsets: (B, 3) m, from the parent, and of the first bone in the world.
        local: (B, 4) their rotations against the parent, of the first bone in the world.
    """

    name: str
    xyz: Float64[np.ndarray, "J 3"]
    sigma: Float64[np.ndarray, " J"]
    rest: Humanoid | None = None
    places: Float64[np.ndarray, "B 3"] = np.zeros((0, 3))
    world: Float64[np.ndarray, "B 4"] = np.zeros((0, 4))
    offsets: Float64[np.ndarray, "B 3"] = np.zeros((0, 3))
    local: Float64[np.ndarray, "B 4"] = np.zeros((0, 4))


def text_packet(kind: Packet, text: str) -> bytes:
    """An answer in words.

    Args:
        kind: Error, command or XML.
        text: What it says.

    Returns:
        The packet.
    """
    content = text.encode() + b"\0"
    return _HEADER.pack(_HEADER.size + len(content), kind) + content


def event_packet(event: Event) -> bytes:
    """Something happened.

    Args:
        event: What.

    Returns:
        The packet.
    """
    return _HEADER.pack(_HEADER.size + 1, Packet.EVENT) + bytes([event])


def data_packet(time_us: int, frame: int, bodies: list[Body], components: Iterable[str]) -> bytes:
    """A frame.

    Args:
        time_us: µs.
        frame: Number of the tick, of which the lower 32 bits are sent.
        bodies: Everyone, in the order of `parameters`.
        components: "3d", "3dres", "skeleton", "skeleton:global"; others are left out, as QTM does with what it lacks.

    Returns:
        The packet; positions in mm.
    """
    parts = [part for part in (_component(bodies, name) for name in components) if part]
    content = struct.pack("<qII", time_us, frame & 0xFFFFFFFF, len(parts)) + b"".join(parts)
    return _HEADER.pack(_HEADER.size + len(content), Packet.DATA) + content


def _component(bodies: list[Body], name: str) -> bytes:
    if name in ("3d", "3dres"):
        columns = [np.concatenate([1e3 * body.xyz, 1e3 * body.sigma[:, None]], axis=1) for body in bodies]
        table = np.concatenate([np.zeros((0, 4)), *columns])[:, : 3 if name == "3d" else 4].astype("<f4")
        content = struct.pack("<IHH", len(table), 0, 0) + table.tobytes()
        return _HEADER.pack(_HEADER.size + len(content), _POINTS if name == "3d" else _POINTS_RESIDUAL) + content
    if name in ("skeleton", "skeleton:global"):
        content = struct.pack("<I", len(bodies)) + b"".join(
            _segments(body, name == "skeleton:global") for body in bodies
        )
        return _HEADER.pack(_HEADER.size + len(content), _SKELETON) + content
    return b""


def _segments(body: Body, in_world: bool) -> bytes:
    places, rotations = (body.places, body.world) if in_world else (body.offsets, body.local)
    rows = np.empty(len(places), dtype=[("id", "<u4"), ("place", "<f4", 3), ("rotation", "<f4", 4)])
    rows["id"], rows["place"], rows["rotation"] = 1 + np.arange(len(places)), 1e3 * places, rotations
    return struct.pack("<I", len(rows)) + rows.tobytes()


def parameters(bodies: list[Body], joints: tuple[str, ...], rate_hz: float, wanted: Iterable[str]) -> str:
    """What the numbers of a frame are.

    Args:
        bodies: Everyone, in the order of a frame.
        joints: Names of the skeleton's joints.
        rate_hz: Of frames.
        wanted: "all", or some of "general", "3d", "skeleton".

    Returns:
        XML of the protocol's parameters.
    """
    names = {name.partition(":")[0] for name in wanted}
    everything = "all" in names
    root = ET.Element(f"QTM_Parameters_Ver_{_VERSION}")
    if everything or "general" in names:
        _texts(ET.SubElement(root, "General"), Frequency=f"{rate_hz:g}", Capture_Time="0")
    if everything or "3d" in names:
        points = ET.SubElement(root, "The_3D")
        _texts(points, AxisUpwards="+Z", CalibrationTime="", Labels=str(len(bodies) * len(joints)))
        for body in bodies:
            for joint in joints:
                _texts(ET.SubElement(points, "Label"), Name=f"{body.name}_{joint}", RGBColor="16777215")
    if everything or "skeleton" in names:
        skeletons = ET.SubElement(root, "Skeletons")
        for body in bodies:
            _skeleton(ET.SubElement(skeletons, "Skeleton", Name=body.name), body)
    return ET.tostring(root, encoding="unicode")


def _texts(element: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(element, name).text = text


def _skeleton(element: ET.Element, body: Body) -> None:
    """The segments, nested, each with where it is in the rest pose; none while nobody is there."""
    _texts(element, Scale="1")
    segments = ET.SubElement(element, "Segments")
    nested: list[ET.Element] = []
    for index, bone in enumerate(body.rest.bones if body.rest is not None else ()):
        above = nested[bone.parent] if bone.parent >= 0 else segments
        segment = ET.SubElement(above, "Segment", Name=bone.name, ID=str(index + 1))
        rotation = _NO_ROTATION if bone.parent >= 0 else _WORLD_FROM_REST
        for kind in ("Transform", "DefaultTransform"):
            transform = ET.SubElement(segment, kind)
            place = zip("XYZ", 1e3 * bone.offset, strict=True)
            ET.SubElement(transform, "Position", {axis: f"{value:.3f}" for axis, value in place})
            ET.SubElement(
                transform, "Rotation", {axis: f"{value:.6f}" for axis, value in zip("XYZW", rotation, strict=True)}
            )
        nested.append(segment)
