"""The rig of a character in a glTF or VRM file: its nodes, which of them are a human's by VRM's own list or by name.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html, https://github.com/vrm-c/vrm-specification
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from multiview.common.ledger import reading
from multiview.errors import ConfigError, MultiviewError
from multiview.retarget.bone_names import human_bones
from multiview.retarget.rig import RestBone, Rig

__all__ = ["node_matrices", "open_gltf", "read_gltf_rig"]

_EVEN = 0.01  # a node's axes are stretched alike, but for this share
_THUMB_OF_VRM_0 = {"Proximal": "Metacarpal", "Intermediate": "Proximal", "Distal": "Distal"}


def open_gltf(path: Path) -> Any:
    """A glTF document.

    Args:
        path: .glb, .gltf or .vrm.

    Returns:
        As pygltflib has it.

    Raises:
        ConfigError: It cannot be read.
        MultiviewError: pygltflib is missing.
    """
    try:
        import pygltflib
    except ModuleNotFoundError:
        raise MultiviewError("glTF needs one more package: pip install multiview-mocap[gltf]") from None
    with reading(path).open("rb") as file:
        binary = file.read(4) == b"glTF"
    try:
        document = pygltflib.GLTF2.load_binary(str(path)) if binary else pygltflib.GLTF2.load_json(str(path))
    except Exception as error:
        raise ConfigError(f"{path}: not a glTF file that can be read ({type(error).__name__}: {error})") from None
    for part in (*document.buffers, *document.images):
        if part.uri and not part.uri.startswith("data:"):
            raise ConfigError(f"{path}: its data lies in other files: export the character as one file, .glb or .vrm")
    return document


def read_gltf_rig(path: Path) -> Rig:
    """The rig of a character.

    Args:
        path: .glb, .gltf or .vrm.

    Returns:
        Its nodes.

    Raises:
        ConfigError: It cannot be read, or is no human's.
        MultiviewError: pygltflib is missing.
    """
    document = open_gltf(path)
    order, parents = _downwards(document, path)
    world = node_matrices(document, order, parents, path)
    place = {node: index for index, node in enumerate(order)}
    bones = tuple(
        RestBone(
            document.nodes[node].name or f"node{node}",
            place.get(parents[node], -1),
            world[node][:3, 3],
            _rotation(world[node]),
        )
        for node in order
    )
    listed = {bone: place[node] for bone, node in _listed_by_vrm(document).items() if node in place}
    human = listed or human_bones([bone.name for bone in bones], [bone.parent for bone in bones])
    return Rig.of(bones, human, path, tuple(order))


def _downwards(document: Any, path: Path) -> tuple[list[int], dict[int, int]]:
    """The nodes, parents first, and the parent of each, -1 for none."""
    parents = {child: node for node, content in enumerate(document.nodes) for child in content.children or ()}
    order = [node for node in range(len(document.nodes)) if node not in parents]
    for node in order:  # grows as it goes
        order += document.nodes[node].children or ()
    if sorted(order) != list(range(len(document.nodes))):
        raise ConfigError(f"{path}: its nodes are no tree")
    return order, {node: parents.get(node, -1) for node in order}


def node_matrices(
    document: Any, order: list[int], parents: dict[int, int], path: Path
) -> dict[int, Float64[np.ndarray, "4 4"]]:
    """world_from_node of every node at rest.

    Args:
        document: The file.
        order: Its nodes, parents first.
        parents: The parent of each, -1 for none.
        path: For messages.

    Returns:
        By node.

    Raises:
        ConfigError: A node is stretched unevenly: rotations would shear what hangs on it.
    """
    world: dict[int, Float64[np.ndarray, "4 4"]] = {-1: np.eye(4)}
    for node in order:
        world[node] = world[parents[node]] @ _matrix(document.nodes[node])
        stretched = np.linalg.norm(world[node][:3, :3], axis=0)
        if not np.isfinite(world[node]).all() or stretched.min() < (1 - _EVEN) * stretched.max() or not stretched.min():
            raise ConfigError(f"{path}: node {node} is stretched unevenly: apply scales before the export")
    return world


def _matrix(node: Any) -> Float64[np.ndarray, "4 4"]:
    if node.matrix is not None:
        return np.array(node.matrix, dtype=np.float64).reshape(4, 4).T  # column by column
    matrix = np.eye(4)
    matrix[:3, 3] = node.translation or (0, 0, 0)
    matrix[:3, :3] = Rotation.from_quat(node.rotation or (0, 0, 0, 1)).as_matrix() * (node.scale or (1, 1, 1))
    return matrix


def _rotation(matrix: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "3 3"]:
    """Its rotation, without what it stretches."""
    rotation: np.ndarray = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return rotation


def _listed_by_vrm(document: Any) -> dict[str, int]:
    """The node of each bone, by VRM 1.0's name; empty where the file is no VRM."""
    extensions = document.extensions or {}
    try:
        if "VRMC_vrm" in extensions:
            bones = extensions["VRMC_vrm"]["humanoid"]["humanBones"]
            return {_capital(name): int(entry["node"]) for name, entry in bones.items()}
        bones = extensions.get("VRM", {}).get("humanoid", {}).get("humanBones", [])
        return {_vrm_1_name(_capital(entry["bone"])): int(entry["node"]) for entry in bones}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}  # its names may still tell


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _vrm_1_name(name: str) -> str:
    """VRM 0 calls the thumb's bones Proximal, Intermediate and Distal."""
    head, thumb, tail = name.partition("Thumb")
    return head + thumb + _THUMB_OF_VRM_0.get(tail, tail) if thumb else name
