"""Somebody's character, a glTF or VRM file as it is, with a person's movement as its animation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pygltflib as gl
from jaxtyping import Float64

from multiview.common.atomic_file import replacing
from multiview.export._quaternions import quaternions
from multiview.retarget.gltf_rig import node_matrices, open_gltf
from multiview.retarget.retarget import Retargeted

__all__ = ["write_character"]


def write_character(path: Path, moved: Retargeted, times: Float64[np.ndarray, " T"], name: str) -> None:
    """A copy of the character's file, with this animation instead of its own.

    Args:
        path: .glb to write.
        moved: The character's movement.
        times: s, of the frames.
        name: Of the animation.

    Raises:
        ConfigError: The character's file can no longer be read.
    """
    rig = moved.rig
    assert rig.file is not None
    document = open_gltf(rig.file)
    document.convert_buffers(gl.BufferFormat.BINARYBLOB)
    blob = bytearray(document.binary_blob() or b"")
    animation = gl.Animation(name=name)
    document.animations = [animation]
    at = _append_floats(document, blob, times, gl.SCALAR)
    for node, what, values in _channels(document, moved):
        _with_parts(document.nodes[node])
        values_at = _append_floats(document, blob, values, gl.VEC3 if what == "translation" else gl.VEC4)
        animation.samplers.append(gl.AnimationSampler(input=at, output=values_at))
        target = gl.AnimationChannelTarget(node=node, path=what)
        animation.channels.append(gl.AnimationChannel(sampler=len(animation.samplers) - 1, target=target))
    document.buffers = [gl.Buffer(byteLength=len(blob))]
    document.set_binary_blob(bytes(blob))
    with replacing(path) as temporary:
        document.save_binary(temporary)


def _channels(document: Any, moved: Retargeted) -> list[tuple[int, str, Float64[np.ndarray, "T C"]]]:
    """Node, what of it moves, and how: a translation of the hips, a rotation of every bone of a human."""
    rig = moved.rig
    assert rig.file is not None
    parents = {
        rig.gltf_nodes[b]: rig.gltf_nodes[bone.parent] if bone.parent >= 0 else -1 for b, bone in enumerate(rig.bones)
    }
    world = moved.from_rest @ np.array([bone.rotation for bone in rig.bones])
    hips = rig.human["Hips"]
    above = np.linalg.inv(
        node_matrices(document, list(rig.gltf_nodes), parents, rig.file)[parents[rig.gltf_nodes[hips]]]
    )
    channels = [(rig.gltf_nodes[hips], "translation", moved.hips @ above[:3, :3].T + above[:3, 3])]
    for b in rig.human.values():
        parent = rig.bones[b].parent
        local = np.swapaxes(world[:, parent], 1, 2) @ world[:, b] if parent >= 0 else world[:, b]
        channels.append((rig.gltf_nodes[b], "rotation", quaternions(local)))
    return channels


def _with_parts(node: Any) -> None:
    """Translation, rotation and scale instead of a matrix: only these can be animated."""
    if node.matrix is None:
        return
    matrix = np.array(node.matrix, dtype=np.float64).reshape(4, 4).T
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    node.translation, node.scale = matrix[:3, 3].tolist(), scale.tolist()
    node.rotation = quaternions((matrix[:3, :3] / scale)[None])[0].tolist()
    node.matrix = None


def _append_floats(
    document: Any, blob: bytearray, values: Float64[np.ndarray, "T C"] | Float64[np.ndarray, " T"], kind: str
) -> int:
    """The index of the accessor of an array that is put behind the file's own data."""
    data, table = values.astype(np.float32), values.astype(np.float32).reshape(len(values), -1)
    blob += b"\0" * (-len(blob) % 4)
    document.bufferViews.append(gl.BufferView(buffer=0, byteOffset=len(blob), byteLength=data.nbytes))
    blob += data.tobytes()
    document.accessors.append(
        gl.Accessor(
            bufferView=len(document.bufferViews) - 1,
            componentType=gl.FLOAT,
            count=len(values),
            type=kind,
            min=table.min(axis=0).tolist(),
            max=table.max(axis=0).tolist(),
        )
    )
    return len(document.accessors) - 1
