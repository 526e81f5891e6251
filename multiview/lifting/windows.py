"""What a network is told of a person: 2D poses of the frames around one instant, as they look from that instant's ray.

All of a window is turned into one view, whose axis goes through the middle of the person's torso at the instant that is
asked for, and whose upright is the world's: the same posture gives the same numbers wherever it is in the picture, and
however the camera is tilted. The camera's elevation is told beside them. Coordinates are divided by the person's size
in the view, which leaves the distance open: a child nearby is an adult further off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

__all__ = ["BEFORE", "FEATURES", "FRAMES", "JOINTS", "MIRRORED", "STEP_S", "Windows", "view_windows"]

JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""The joints that networks know, those of COCO."""
MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
BEFORE, STEP_S = 13, 1 / 30  # a window has as many frames before its instant as after it, this far apart
FRAMES = 2 * BEFORE + 1
FEATURES = 3 * len(JOINTS) + 4  # of each frame
_TORSO = [5, 6, 11, 12]
_NEAREST = 0.2  # cosine of the angle from the axis beyond which a ray is bent towards it


class Windows(NamedTuple):
    """N windows of T frames, the instant in the middle; J joints.

    Attributes:
        inputs: (N, T, F) for each frame: where each joint is against the middle of the torso, 0 where unseen, whether
            it is seen, where that middle is, how steeply the camera looks down, and the logarithm of the size.
        uv: (N, J, 2) of the instant: x / z and y / z of each joint's ray in the view, 0 where unseen.
        seen: (N, J) of the instant.
        view_from_world: (N, 3, 3) x right, y down, z along the axis.
        size: (N,) of the person, root mean square of x / z and y / z about the middle.
    """

    inputs: Float32[np.ndarray, "N T F"]
    uv: Float[np.ndarray, "N J 2"]
    seen: Bool[np.ndarray, "N J"]
    view_from_world: Float[np.ndarray, "N 3 3"]
    size: Float[np.ndarray, " N"]


def view_windows(rays: Float[np.ndarray, "N T J 3"], seen: Bool[np.ndarray, "N T J"]) -> Windows:
    """Windows as networks take them.

    Args:
        rays: (N, T, J, 3) directions from the camera to each of `JOINTS`, world, z up; anything where unseen.
        seen: (N, T, J) whether there is one; at the middle instant some joint must be seen.

    Returns:
        The windows.
    """
    rays = np.where(seen[..., None], rays, rays.dtype.type(0.0))
    now = rays[:, BEFORE]
    view = _view(_middle(now / np.maximum(np.linalg.norm(now, axis=-1, keepdims=True), 1e-9), seen[:, BEFORE]))
    rotated = (rays.reshape(len(rays), -1, 3) @ view.swapaxes(1, 2)).reshape(rays.shape)
    length = np.sqrt(np.einsum("ntki,ntki->ntk", rays, rays))[..., None]
    uv = rotated[..., :2] / np.maximum(rotated[..., 2:], _NEAREST * length + 1e-9)
    middle = _middle(uv, seen)
    about = np.where(seen[..., None], uv - middle[..., None, :], 0.0)
    count = seen.sum(axis=(1, 2))
    size = np.sqrt(np.einsum("ntki,ntki->n", about, about) / np.maximum(count, 1)).clip(1e-6)
    N, T, J = seen.shape
    inputs = np.empty((N, T, FEATURES), dtype=np.float32)
    inputs[..., : 2 * J] = (about / size[:, None, None, None]).reshape(N, T, 2 * J)
    inputs[..., 2 * J : 3 * J] = seen
    anyone = seen.any(axis=-1, keepdims=True)
    inputs[..., 3 * J : 3 * J + 2] = np.where(anyone, middle / size[:, None, None], 0.0)
    inputs[..., 3 * J + 2] = -view[:, None, 2, 2]
    inputs[..., 3 * J + 3] = np.log(size)[:, None] + 2.5  # about 0 at a few metres
    return Windows(inputs, uv[:, BEFORE], seen[:, BEFORE], view, size)


def _middle(points: Float[np.ndarray, "*n J k"], seen: Bool[np.ndarray, "*n J"]) -> Float[np.ndarray, "*n k"]:
    """Of the torso's joints that are seen, else of all that are."""
    torso = np.zeros(len(JOINTS), dtype=bool)
    torso[_TORSO] = True
    use = seen & torso
    use = np.where(use.any(axis=-1, keepdims=True), use, seen)
    share = use / np.maximum(use.sum(axis=-1, keepdims=True), 1).astype(points.dtype)
    return np.asarray(np.einsum("...jk,...j->...k", points, share))


def _view(axis: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3 3"]:
    """The upright view along each axis; one that is vertical has its right along x."""
    z = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-9)
    x = np.stack([z[:, 1], -z[:, 0], np.zeros(len(z))], axis=-1)
    level = np.linalg.norm(x, axis=-1, keepdims=True)
    x = np.where(level > 1e-6, x / np.maximum(level, 1e-6), [1.0, 0.0, 0.0])
    down = np.stack([-z[:, 2] * x[:, 1], z[:, 2] * x[:, 0], z[:, 0] * x[:, 1] - z[:, 1] * x[:, 0]], axis=-1)
    return np.stack([x, down, z], axis=1)
