"""Made characters in files, and a reader of glTF animations of its own."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pygltflib as gl
from scipy.spatial.transform import Rotation

_ARM = np.radians(40.0)  # the arms hang so far below the horizontal: an A-pose
_DOWN = (np.cos(_ARM), -np.sin(_ARM))

# Bone: parent, and where it begins from there in the rest pose, m; y up, facing z.
LEG, _FOREARM = 1.3, 0.8


def bones(fingers: bool = False) -> dict[str, tuple[str, tuple[float, float, float]]]:
    """A giant with short arms, in Mixamo's names, and a bone or two that no human has."""
    found: dict[str, tuple[str, tuple[float, float, float]]] = {
        "Hips": ("", (0.0, 0.98 * LEG, 0.0)),
        "Tail": ("Hips", (0.0, 0.0, -0.2)),
        "Spine": ("Hips", (0.0, 0.13, -0.01)),
        "Spine1": ("Spine", (0.0, 0.16, -0.01)),
        "Spine2": ("Spine1", (0.0, 0.16, 0.02)),
        "Neck": ("Spine2", (0.0, 0.2, 0.0)),
        "Head": ("Neck", (0.0, 0.12, 0.02)),
    }
    for side, x in (("Left", 1.0), ("Right", -1.0)):
        arm = (x * _DOWN[0], _DOWN[1])
        found |= {
            f"{side}Shoulder": ("Spine2", (0.05 * x, 0.14, 0.0)),
            f"{side}Arm": (f"{side}Shoulder", (0.16 * x, -0.02, 0.0)),
            f"{side}ArmTwist": (f"{side}Arm", (0.15 * arm[0], 0.15 * arm[1], 0.0)),
            f"{side}ForeArm": (f"{side}Arm", (0.3 * arm[0], 0.3 * arm[1], 0.0)),
            f"{side}Hand": (f"{side}ForeArm", (_FOREARM * 0.3 * arm[0], _FOREARM * 0.3 * arm[1], 0.0)),
            f"{side}UpLeg": ("Hips", (0.11 * x, -0.06, 0.0)),
            f"{side}Leg": (f"{side}UpLeg", (0.01 * x, -0.45 * LEG, 0.02)),
            f"{side}Foot": (f"{side}Leg", (0.0, -0.40 * LEG, -0.03)),
            f"{side}ToeBase": (f"{side}Foot", (0.03 * x, -0.08, 0.14)),
        }
    return found


def write_gltf(
    path: Path, seed: int | None = 0, scale: float = 0.01, prefix: str = "mixamorig:"
) -> dict[str, np.ndarray]:
    """The giant as programs export it: below an armature in another unit and axes, each bone in axes of its own.

    Returns where its bones are in the rest pose, by name.
    """
    rng = np.random.default_rng(seed)
    armature = Rotation.from_euler("x", 90, degrees=True)
    nodes = [gl.Node(name="Armature", rotation=armature.as_quat().tolist(), scale=[scale] * 3, children=[1])]
    world, places, index = {"": armature}, {"": np.zeros(3)}, {"": 0}
    for name, (parent, offset) in bones().items():
        places[name], world[name] = places[parent] + offset, Rotation.random(random_state=rng)
        local = world[parent].inv() * world[name]
        inside = world[parent].inv().apply(offset) / scale
        index[name] = len(nodes)
        nodes.append(gl.Node(name=prefix + name, translation=inside.tolist(), rotation=local.as_quat().tolist()))
        if parent:
            nodes[index[parent]].children.append(index[name])
    document = gl.GLTF2(asset=gl.Asset(generator="test"), scene=0, scenes=[gl.Scene(nodes=[0])], nodes=nodes)
    document.save_binary(str(path))
    del places[""]
    return places


def write_bvh(path: Path, unit: float = 100.0, z_up: bool = False) -> None:
    """The giant in a BVH file, its rest pose an A-pose; lengths in 1 / `unit` m."""
    listed = bones()
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]) if z_up else np.eye(3)
    lines = ["HIERARCHY"]

    def put(name: str, depth: int) -> None:
        pad = "\t" * depth
        x, y, z = axes @ listed[name][1] * unit
        channels = "6 Xposition Yposition Zposition" if not depth else "3"
        lines.extend([f"{pad}{'JOINT' if depth else 'ROOT'} {name}", f"{pad}{{", f"{pad}\tOFFSET {x} {y} {z}"])
        lines.append(f"{pad}\tCHANNELS {channels} Zrotation Xrotation Yrotation")
        children = [child for child, (parent, _) in listed.items() if parent == name]
        for child in children:
            put(child, depth + 1)
        if not children:
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET 0 0 {0.01 * unit}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    put("Hips", 0)
    zeros = " ".join(["0"] * (3 * len(listed) + 3))
    path.write_text("\n".join([*lines, "MOTION", "Frames: 2", "Frame Time: 0.0333333", zeros, zeros, ""]))


def animated_places(path: Path, animation: int = 0) -> dict[str, np.ndarray]:
    """(T, 3) m where every node begins while an animation plays, by name."""
    document = gl.GLTF2().load(str(path))
    blob = document.binary_blob()

    def values(index: int) -> np.ndarray:
        accessor = document.accessors[index]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
        start = document.bufferViews[accessor.bufferView].byteOffset
        count = width * accessor.count
        return np.array(struct.unpack_from(f"<{count}f", blob, start)).reshape(-1, width)

    moved = {}
    for channel in document.animations[animation].channels:
        sampler = document.animations[animation].samplers[channel.sampler]
        moved[channel.target.node, channel.target.path] = values(sampler.output)
    frames = len(next(iter(moved.values())))
    found: dict[str, np.ndarray] = {}

    def visit(index: int, above: np.ndarray) -> None:
        node = document.nodes[index]
        matrix = np.tile(np.eye(4), (frames, 1, 1))
        turn = moved.get((index, "rotation"), np.tile(node.rotation or [0, 0, 0, 1], (frames, 1)))
        matrix[:, :3, :3] = Rotation.from_quat(turn).as_matrix() * (node.scale or [1.0, 1.0, 1.0])
        matrix[:, :3, 3] = moved.get((index, "translation"), node.translation or [0.0, 0.0, 0.0])
        matrix = above @ matrix
        found[node.name] = matrix[:, :3, 3]
        for child in node.children or []:
            visit(child, matrix)

    for root in document.scenes[0].nodes:
        visit(root, np.tile(np.eye(4), (frames, 1, 1)))
    return found
