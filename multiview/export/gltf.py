"""glTF 2.0 as one binary file (.glb): an animated skeleton of sticks per person, y up, metres, VRM bone names.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.body.kinematics import Humanoid, Motion, Solver
from multiview.common.atomic_file import replacing
from multiview.common.palette import person_colour
from multiview.export import Progress, silent
from multiview.export._dense import Dense, dense, rest_pose, write_intervals
from multiview.recordings.pose_table import Poses

__all__ = ["Exporter"]

_GLTF_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up
_FLOAT, _UNSIGNED_SHORT = 5126, 5123
_STICK_M = 0.03
# An octahedron of length 1 along y, thickest at a fifth of it.
_STICK = np.array([[0, 0, 0], [1, 0.2, 0], [0, 0.2, 1], [-1, 0.2, 0], [0, 0.2, -1], [0, 1, 0]], dtype=np.float32)
_FACES = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(poses):
            return []
        path = stem.with_name(stem.name + ".glb")
        document = _Document()
        paths = [path]
        first = int(poses.frame[0])
        for done, number in enumerate(poses.people, start=1):
            person = dense(poses, int(number))
            document.add_person(poses, person, (person.first - first) / person.rate)
            paths.append(write_intervals(person, stem.with_name(f"{stem.name}_{poses.label(int(number))}.glb")))
            progress(done / (len(poses.people) + 1))
        with replacing(path) as temporary:
            temporary.write_bytes(document.encode())
        return paths


@dataclass(slots=True)
class _Document:
    """The parts of the file, as they grow."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    meshes: list[dict[str, Any]] = field(default_factory=list)
    materials: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    samplers: list[dict[str, Any]] = field(default_factory=list)
    blob: bytearray = field(default_factory=bytearray)

    def add_person(self, poses: Poses, person: Dense, start_s: float) -> None:
        """A tree of nodes, a stick on each bone, and the animation."""
        rest = rest_pose(poses, person)
        motion = Solver(rest, person.joints, 1 / person.rate).solve(person.xyz)
        mesh = self._add_mesh(person.person)
        first = len(self.nodes)
        for bone in rest.bones:
            self.nodes.append({"name": f"{bone.name}.{person.person}", "translation": bone.offset.tolist()})
        for index, bone in enumerate(rest.bones):
            if bone.parent >= 0:
                parent = self.nodes[first + bone.parent]
                parent.setdefault("children", []).append(first + index)
                if np.linalg.norm(bone.offset) > 1e-6:
                    parent["children"].append(self._add_stick(bone.offset, mesh, f"{bone.name}.{person.person}"))
        self.roots.append(first)
        self._animate(rest, motion, first, start_s + np.arange(len(motion.root)) / person.rate)

    def _add_mesh(self, person: int) -> int:
        red, green, blue = (channel**2.2 for channel in person_colour(person))  # colours of glTF are linear
        self.materials.append(
            {"pbrMetallicRoughness": {"baseColorFactor": [red, green, blue, 1.0], "metallicFactor": 0.0}}
        )
        if not self.meshes:
            normals = _STICK - [0.0, 0.3, 0.0]
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            self._add(_STICK, "VEC3", bounds=True)
            self._add(normals.astype(np.float32), "VEC3")
            self._add(np.array(_FACES, dtype=np.uint16).ravel(), "SCALAR")
        primitive = {"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": len(self.materials) - 1}
        self.meshes.append({"name": f"stick.{person}", "primitives": [primitive]})
        return len(self.meshes) - 1

    def _add_stick(self, offset: Float64[np.ndarray, " 3"], mesh: int, name: str) -> int:
        length = float(np.linalg.norm(offset))
        y = offset / length
        half = np.array([0.0, 1.0, 0.0]) + y  # the shortest turn from y to the offset, by the half-way vector
        if np.linalg.norm(half) < 1e-6:
            quaternion = [1.0, 0.0, 0.0, 0.0]
        else:
            half /= np.linalg.norm(half)
            quaternion = [*np.cross([0.0, 1.0, 0.0], half).tolist(), float(half[1])]
        scale = [_STICK_M, length, _STICK_M]
        self.nodes.append({"name": f"stick.{name}", "mesh": mesh, "rotation": quaternion, "scale": scale})
        return len(self.nodes) - 1

    def _animate(self, rest: Humanoid, motion: Motion, first: int, times: Float64[np.ndarray, " T"]) -> None:
        at = self._add(times.astype(np.float32), "SCALAR", bounds=True)
        local = motion.local.copy()
        local[:, 0] = _GLTF_FROM_WORLD @ local[:, 0]
        self._channel(first, "translation", at, (motion.root @ _GLTF_FROM_WORLD.T).astype(np.float32))
        for index, bone in enumerate(rest.bones):
            if not bone.name.endswith(("Hand", "Toes")):
                self._channel(first + index, "rotation", at, _quaternions(local[:, index]).astype(np.float32))

    def _channel(self, node: int, what: str, times: int, values: np.ndarray) -> None:
        output = self._add(values, "VEC3" if what == "translation" else "VEC4")
        self.samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})
        self.channels.append({"sampler": len(self.samplers) - 1, "target": {"node": node, "path": what}})

    def _add(self, values: np.ndarray, kind: str, bounds: bool = False) -> int:
        data = np.ascontiguousarray(values).tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)})
        self.blob += data + b"\0" * (-len(data) % 4)
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "count": len(values), "type": kind}
        accessor["componentType"] = _UNSIGNED_SHORT if values.dtype == np.uint16 else _FLOAT
        if bounds:
            table = values.reshape(len(values), -1)
            accessor["min"], accessor["max"] = table.min(axis=0).tolist(), table.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def encode(self) -> bytes:
        content = {
            "asset": {"version": "2.0", "generator": "multiview"},
            "scene": 0,
            "scenes": [{"nodes": self.roots}],
            "nodes": self.nodes,
            "meshes": self.meshes,
            "materials": self.materials,
            "animations": [{"name": "take", "channels": self.channels, "samplers": self.samplers}],
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": len(self.blob)}],
        }
        text = msgspec.json.encode(content)
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(self.blob), b"BIN\0") + bytes(self.blob)
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _quaternions(R: Float64[np.ndarray, "T 3 3"]) -> Float64[np.ndarray, "T 4"]:
    """x, y, z, w, of one sign over time, so that programs that interpolate take the short way."""
    from scipy.spatial.transform import Rotation

    q: np.ndarray = Rotation.from_matrix(R).as_quat()
    flips = np.cumprod(np.where(np.sum(q[1:] * q[:-1], axis=1) < 0, -1.0, 1.0))
    q[1:] *= flips[:, None]
    return q
