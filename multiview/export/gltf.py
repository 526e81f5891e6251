"""glTF 2.0 as one binary file (.glb): an animated skeleton of sticks per person, y up, metres, VRM bone names.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import Humanoid, Motion, RotationSolver
from multiview.common.atomic_file import replacing
from multiview.common.palette import person_colour
from multiview.errors import MultiviewError
from multiview.export import Progress, silent
from multiview.export._dense import Dense, dense, rest_pose, write_intervals
from multiview.recordings.pose_table import Poses

try:
    import pygltflib as gl
except ModuleNotFoundError:
    raise MultiviewError("glTF needs one more package: pip install multiview-mocap[gltf]") from None

__all__ = ["Exporter"]

_GLTF_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up
_STICK_M = 0.03
# An octahedron of length 1 along y, thickest at a fifth of it.
_STICK = np.array([[0, 0, 0], [1, 0.2, 0], [0, 0.2, 1], [-1, 0.2, 0], [0, 0.2, -1], [0, 1, 0]], dtype=np.float32)
_FACES = np.array([0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 1, 5, 2, 1, 5, 3, 2, 5, 4, 3, 5, 1, 4])


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
            document.save(temporary)
        return paths


class _Document:
    """The file, as it grows."""

    def __init__(self) -> None:
        self._scene, self._animation, self._blob = gl.Scene(), gl.Animation(name="take"), bytearray()
        self._file = gl.GLTF2(
            asset=gl.Asset(generator="multiview"), scene=0, scenes=[self._scene], animations=[self._animation]
        )
        normals = _STICK - np.array([0.0, 0.3, 0.0], dtype=np.float32)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        vertices = gl.Attributes(POSITION=self._add(_STICK, gl.VEC3), NORMAL=self._add(normals, gl.VEC3))
        self._stick = {"attributes": vertices, "indices": self._add(_FACES, gl.SCALAR)}

    def add_person(self, poses: Poses, person: Dense, start_s: float) -> None:
        """A tree of nodes, a stick on each bone, and the animation."""
        rest = rest_pose(poses, person)
        motion = RotationSolver(rest, person.joints, 1 / person.rate).solve(person.xyz)
        colour = [channel**2.2 for channel in person_colour(person.person)]  # colours of glTF are linear
        surface = gl.PbrMetallicRoughness(baseColorFactor=[*colour, 1.0], metallicFactor=0.0)
        material = _append(self._file.materials, gl.Material(pbrMetallicRoughness=surface))
        primitives = [gl.Primitive(**self._stick, material=material)]
        mesh = _append(self._file.meshes, gl.Mesh(name=f"stick.{person.person}", primitives=primitives))
        nodes, first = self._file.nodes, len(self._file.nodes)
        self._scene.nodes.append(first)
        nodes += [gl.Node(name=f"{b.name}.{person.person}", translation=b.offset.tolist()) for b in rest.bones]
        for index, bone in enumerate(rest.bones):
            if bone.parent >= 0:
                children = nodes[first + bone.parent].children
                children.append(first + index)
                if np.linalg.norm(bone.offset) > 1e-6:
                    stick = gl.Node(name=f"stick.{bone.name}.{person.person}", mesh=mesh, **_laid_along(bone.offset))
                    children.append(_append(nodes, stick))
        self._animate(rest, motion, first, start_s + np.arange(len(motion.root)) / person.rate)

    def _animate(self, rest: Humanoid, motion: Motion, first: int, times: Float64[np.ndarray, " T"]) -> None:
        at = self._add(times, gl.SCALAR)
        local = motion.local.copy()
        local[:, 0] = _GLTF_FROM_WORLD @ local[:, 0]
        self._channel(first, "translation", at, self._add(motion.root @ _GLTF_FROM_WORLD.T, gl.VEC3))
        for index, bone in enumerate(rest.bones):
            if not bone.name.endswith(("Hand", "Toes")):
                self._channel(first + index, "rotation", at, self._add(_quaternions(local[:, index]), gl.VEC4))

    def _channel(self, node: int, what: str, times: int, values: int) -> None:
        sampler = _append(self._animation.samplers, gl.AnimationSampler(input=times, output=values))
        target = gl.AnimationChannelTarget(node=node, path=what)
        self._animation.channels.append(gl.AnimationChannel(sampler=sampler, target=target))

    def _add(self, values: np.ndarray, kind: str) -> int:
        """The accessor of an array that is put into the file, whole numbers as uint16 and others as float32."""
        whole = np.issubdtype(values.dtype, np.integer)
        values = values.astype(np.uint16 if whole else np.float32)
        data, table = values.tobytes(), values.reshape(len(values), -1)
        view = gl.BufferView(buffer=0, byteOffset=len(self._blob), byteLength=len(data))
        self._blob += data + b"\0" * (-len(data) % 4)
        accessor = gl.Accessor(
            bufferView=_append(self._file.bufferViews, view),
            componentType=gl.UNSIGNED_SHORT if whole else gl.FLOAT,
            count=len(values),
            type=kind,
            min=table.min(axis=0).tolist(),
            max=table.max(axis=0).tolist(),
        )
        return _append(self._file.accessors, accessor)

    def save(self, path: Path) -> None:
        self._file.buffers = [gl.Buffer(byteLength=len(self._blob))]
        self._file.set_binary_blob(bytes(self._blob))
        self._file.save_binary(path)


def _append(items: list[Any], item: Any) -> int:
    """Its index."""
    items.append(item)
    return len(items) - 1


def _laid_along(offset: Float64[np.ndarray, " 3"]) -> dict[str, list[float]]:
    """Rotation and scale of a stick along a bone."""
    rotation, _ = Rotation.align_vectors(offset, [0.0, 1.0, 0.0])
    return {"rotation": rotation.as_quat().tolist(), "scale": [_STICK_M, float(np.linalg.norm(offset)), _STICK_M]}


def _quaternions(R: Float64[np.ndarray, "T 3 3"]) -> Float64[np.ndarray, "T 4"]:
    """x, y, z, w, of one sign over time, so that programs that interpolate take the short way."""
    q: np.ndarray = Rotation.from_matrix(R).as_quat()
    flips = np.cumprod(np.where(np.sum(q[1:] * q[:-1], axis=1) < 0, -1.0, 1.0))
    q[1:] *= flips[:, None]
    return q
