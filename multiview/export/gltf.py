"""glTF 2.0 as one binary file (.glb): a skinned figure of sticks per person, y up, metres, VRM bone names.

Each person is a node of their name with the bones below it, a skin that makes programs see an armature, and an
animation of their name; the animation `everyone`, of more than one, comes first, as viewers play that one. Times count
from the first frame of all, whose number, time and UTC are the scene's `extras`. A character that is a glTF or VRM file
itself is written once for each person, as it is, with the animation (`_gltf_character`).
https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.body.kinematics import Humanoid
from multiview.common.atomic_file import replacing
from multiview.common.palette import person_colour
from multiview.data import NS_PER_S
from multiview.errors import MultiviewError
from multiview.export import Progress, silent
from multiview.export._dense import Dense, dense, write_intervals
from multiview.export._figure import Figure, figure, retargeted
from multiview.export._gltf_character import write_character
from multiview.export._naming import person_path
from multiview.export._quaternions import quaternions
from multiview.export._sticks import rest_places, sticks
from multiview.recordings.pose_table import Poses
from multiview.retarget.target import Character

try:
    import pygltflib as gl
except ModuleNotFoundError:
    raise MultiviewError("glTF needs one more package: pip install multiview-mocap[gltf]") from None

__all__ = ["Exporter"]


class Exporter:
    def __init__(self) -> None:
        self.character: Character | None = None

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(poses):
            return []
        if self.character is not None and self.character.is_gltf:
            return self._write_characters(poses, stem, self.character, progress)
        path = stem.with_name(stem.name + ".glb")
        first = int(poses.frame[0])
        time_s, utc_ns = float(poses.time_ns[0] / NS_PER_S), int(poses.utc_ns[0])
        start = {"first_frame": first, "first_time_s": time_s, "first_utc_ns": str(utc_ns)}
        document, paths = _Document({"multiview": start}, self.character), [path]
        for done, number in enumerate(poses.people, start=1):
            person = dense(poses, int(number))
            document.add_person(poses, person, (person.first - first) / person.rate)
            paths.append(write_intervals(person, person_path(stem, poses, int(number), ".glb")))
            progress(done / (len(poses.people) + 1))
        with replacing(path) as temporary:
            document.save(temporary)
        return paths

    def _write_characters(self, poses: Poses, stem: Path, character: Character, progress: Progress) -> list[Path]:
        """A file for each person, whose first frame of all is its time 0, too."""
        paths = []
        for done, number in enumerate(poses.people, start=1):
            person = dense(poses, int(number))
            path = person_path(stem, poses, int(number), ".glb")
            times = (person.first - int(poses.frame[0]) + np.arange(len(person.xyz))) / person.rate
            write_character(path, retargeted(poses, person, character), times, poses.label(int(number)))
            paths += [path, write_intervals(person, path)]
            progress(done / len(poses.people))
        return paths


class _Document:
    """The file, as it grows."""

    def __init__(self, extras: dict[str, Any], character: Character | None) -> None:
        self._character = character
        self._scene, self._blob = gl.Scene(name="take", extras=extras), bytearray()
        self._file = gl.GLTF2(asset=gl.Asset(generator="multiview"), scene=0, scenes=[self._scene])

    def add_person(self, poses: Poses, person: Dense, start_s: float) -> None:
        """A tree of bones, a figure of sticks that hangs on it, and its animation."""
        name, shown = poses.label(person.person), figure(poses, person, self._character)
        rest = shown.rest
        nodes, first = self._file.nodes, len(self._file.nodes) + 1
        roots = [first + index for index, bone in enumerate(rest.bones) if bone.parent < 0]
        nodes.append(gl.Node(name=name, children=roots))
        nodes += [gl.Node(name=bone.name, translation=bone.offset.tolist()) for bone in rest.bones]
        for index, bone in enumerate(rest.bones):
            if bone.parent >= 0:
                nodes[first + bone.parent].children.append(first + index)
        mesh, skin = self._figure(rest, name, person.person), self._skin(rest, name, first)
        self._scene.nodes += [first - 1, _append(nodes, gl.Node(name=f"{name}.figure", mesh=mesh, skin=skin))]
        self._animate(shown, name, first, start_s + np.arange(len(shown.root)) / person.rate)

    def _figure(self, rest: Humanoid, name: str, number: int) -> int:
        """The index of a mesh of sticks."""
        mesh = sticks(rest)
        joints = np.zeros((len(mesh.corners), 4), dtype=np.uint16)
        joints[:, 0] = mesh.bones
        weights = np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (len(joints), 1))
        vertices = gl.Attributes(
            POSITION=self._add(mesh.corners, gl.VEC3, gl.ARRAY_BUFFER),
            NORMAL=self._add(mesh.normals, gl.VEC3, gl.ARRAY_BUFFER),
            JOINTS_0=self._add(joints, gl.VEC4, gl.ARRAY_BUFFER),
            WEIGHTS_0=self._add(weights, gl.VEC4, gl.ARRAY_BUFFER),
        )
        colour = [channel**2.2 for channel in person_colour(number)]  # colours of glTF are linear
        surface = gl.PbrMetallicRoughness(baseColorFactor=[*colour, 1.0], metallicFactor=0.0)
        material = _append(self._file.materials, gl.Material(name=name, pbrMetallicRoughness=surface))
        indices = self._add(mesh.faces, gl.SCALAR, gl.ELEMENT_ARRAY_BUFFER)
        primitive = gl.Primitive(attributes=vertices, indices=indices, material=material)
        return _append(self._file.meshes, gl.Mesh(name=name, primitives=[primitive]))

    def _skin(self, rest: Humanoid, name: str, first: int) -> int:
        """The bones, and the way back from the rest pose to the frame of each: in a T-pose, a translation."""
        back = np.tile(np.eye(4), (len(rest.bones), 1, 1))
        back[:, 3, :3] = -rest_places(rest)  # column by column
        bones = list(range(first, first + len(rest.bones)))
        matrices = self._add(back.reshape(-1, 16), gl.MAT4)
        skin = gl.Skin(name=name, joints=bones, skeleton=first, inverseBindMatrices=matrices)
        return _append(self._file.skins, skin)

    def _animate(self, shown: Figure, name: str, first: int, times: Float64[np.ndarray, " T"]) -> None:
        animation = gl.Animation(name=name)
        self._file.animations.append(animation)
        at = self._add(times, gl.SCALAR)
        above = rest_places(shown.rest)[shown.hips] - shown.rest.bones[shown.hips].offset
        root = self._add(shown.root - above, gl.VEC3)
        _channel(animation, first + shown.hips, "translation", at, root)
        for index in range(shown.hips, len(shown.rest.bones)):
            if shown.rotates(index):
                rotations = self._add(quaternions(shown.local[:, index]), gl.VEC4)
                _channel(animation, first + index, "rotation", at, rotations)

    def _add(self, values: np.ndarray, kind: str, target: int | None = None) -> int:
        """The accessor of an array that is put into the file, whole numbers as uint16 and others as float32."""
        whole = np.issubdtype(values.dtype, np.integer)
        values = values.astype(np.uint16 if whole else np.float32)
        data, table = values.tobytes(), values.reshape(len(values), -1)
        view = gl.BufferView(buffer=0, byteOffset=len(self._blob), byteLength=len(data), target=target)
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
        if len(self._file.animations) > 1:
            self._file.animations.insert(0, _together(self._file.animations))
        self._file.buffers = [gl.Buffer(byteLength=len(self._blob))]
        self._file.set_binary_blob(bytes(self._blob))
        self._file.save_binary(path)


def _append(items: list[Any], item: Any) -> int:
    """Its index."""
    items.append(item)
    return len(items) - 1


def _channel(animation: Any, node: int, what: str, times: int, values: int) -> None:
    sampler = _append(animation.samplers, gl.AnimationSampler(input=times, output=values))
    animation.channels.append(
        gl.AnimationChannel(sampler=sampler, target=gl.AnimationChannelTarget(node=node, path=what))
    )


def _together(animations: list[Any]) -> Any:
    """One animation that does what all do."""
    everyone = gl.Animation(name="everyone")
    for animation in animations:
        for channel in animation.channels:
            sampler = _append(everyone.samplers, animation.samplers[channel.sampler])
            everyone.channels.append(gl.AnimationChannel(sampler=sampler, target=channel.target))
    return everyone
