"""A figure of sticks along the bones of a skeleton, for programs that show surfaces only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import Humanoid

__all__ = ["Sticks", "rest_places", "sticks"]

_STICK_M = 0.03
# An octahedron of length 1 along y, thickest at a fifth of it.
_STICK = np.array([[0, 0, 0], [1, 0.2, 0], [0, 0.2, 1], [-1, 0.2, 0], [0, 0.2, -1], [0, 1, 0]], dtype=np.float64)
_NORMALS = _STICK - np.array([0.0, 0.3, 0.0])
_FACES = np.array([0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 1, 5, 2, 1, 5, 3, 2, 5, 4, 3, 5, 1, 4])


class Sticks(NamedTuple):
    """A mesh in the rest pose: a stick from each bone to every bone below it, moved by the upper one alone.

    Attributes:
        corners: (V, 3) m, from the first bone.
        normals: (V, 3) unit vectors.
        bones: (V,) index of the bone that moves a corner.
        faces: (F,) indices of corners, three for each triangle.
    """

    corners: Float64[np.ndarray, "V 3"]
    normals: Float64[np.ndarray, "V 3"]
    bones: Int64[np.ndarray, " V"]
    faces: Int64[np.ndarray, " F"]


def sticks(rest: Humanoid) -> Sticks:
    """The figure of a skeleton.

    Args:
        rest: Its bones.

    Returns:
        The mesh.
    """
    places = rest_places(rest)
    ends = [i for i, bone in enumerate(rest.bones) if bone.parent >= 0 and np.linalg.norm(bone.offset) > 1e-6]
    laid = [_laid_along(rest.bones[i].offset) for i in ends]
    corners = [_STICK @ turn.T + places[rest.bones[i].parent] for i, turn in zip(ends, laid, strict=True)]
    normals = np.concatenate([_NORMALS @ np.linalg.inv(turn) for turn in laid])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    bones = np.repeat([rest.bones[i].parent for i in ends], len(_STICK))
    faces = (np.arange(len(ends))[:, None] * len(_STICK) + _FACES).ravel()
    return Sticks(np.concatenate(corners), normals, bones, faces)


def rest_places(rest: Humanoid) -> Float64[np.ndarray, "B 3"]:
    """m, where the bones are in the rest pose, from the first.

    Args:
        rest: The bones.

    Returns:
        (B, 3).
    """
    places = np.zeros((len(rest.bones), 3))
    for i, bone in enumerate(rest.bones):
        places[i] = bone.offset + (places[bone.parent] if bone.parent >= 0 else 0.0)
    return places


def _laid_along(offset: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 3"]:
    """Turns and stretches a stick along a bone."""
    turn, _ = Rotation.align_vectors(offset, [0.0, 1.0, 0.0])
    laid: np.ndarray = turn.as_matrix() * [_STICK_M, float(np.linalg.norm(offset)), _STICK_M]
    return laid
