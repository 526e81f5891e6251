"""Up and the floor from people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from calib.people.bodies import Body
from calib.people.vertical import lower_ankles, vertical_of

__all__ = ["Ground", "ground_of", "levelled"]

# An ankle is 0.039 of the stature over the ground, a knee 0.285: so much of the way from ankle to knee is below it.
# Barefoot; a shoe's sole comes on top.
_ANKLE_OF_SHANK = 0.039 / (0.285 - 0.039)
_ANKLE_M = 0.066  # where no knee tells: of an adult of 1.7 m
_MIN_POINTS = 20
_MAX_DEG = 4.0  # surer than this, or up is unknown
_FLAT = 30  # percentile of the lower ankle's heights: a foot that lies flat, with as much noise below it as above


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The room's vertical.

    Attributes:
        up: (3,) unit vector in the bundle's axes.
        sigma_deg: Deviation of its direction.
        how: In words.
        floor: (3,) m, a point on the floor, below where people walked.
    """

    up: Float64[np.ndarray, " 3"]
    sigma_deg: float
    how: str
    floor: Float64[np.ndarray, " 3"]


def ground_of(bodies: list[Body], joints: tuple[str, ...], upright: Float64[np.ndarray, " 3"]) -> Ground | None:
    """Up and the floor; None where nothing tells within 4 degrees.

    Args:
        bodies: In metres.
        joints: Names of the joints.
        upright: A first guess: up in the pictures.

    Returns:
        The ground.

    References:
        Drillis and Contini 1966, Body segment parameters; Winter 2009, Biomechanics and motor control of human
        movement, figure 4.1 (heights of ankle and knee).
    """
    vertical = vertical_of(bodies, joints, upright)
    if vertical is None or vertical.sigma_deg > _MAX_DEG:
        return None
    index = {name: j for j, name in enumerate(joints)}
    ankles = lower_ankles(bodies, index, vertical.up)
    points = np.concatenate([np.empty((0, 3)), *ankles])
    if len(points) < _MIN_POINTS:
        return None
    over = np.repeat([_ankle_height(body, index) for body in bodies], [len(own) for own in ankles])
    middle = points.mean(axis=0)
    level = float(np.percentile(points @ vertical.up - over, _FLAT))
    floor = middle + (level - float(middle @ vertical.up)) * vertical.up
    return Ground(vertical.up, vertical.sigma_deg, vertical.how, floor)


def levelled(
    ground: Ground, look: Float64[np.ndarray, " 3"]
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    """World (R, t) with z up, the origin on the floor and y where a camera looks.

    Args:
        ground: In metres.
        look: (3,) direction in which the first camera looks.

    Returns:
        world_from_bundle.
    """
    forward = look - (look @ ground.up) * ground.up
    if np.linalg.norm(forward) < 1e-3:
        forward = np.linalg.svd(ground.up[None])[2][1]
    forward = forward / np.linalg.norm(forward)
    R = np.stack([np.cross(forward, ground.up), forward, ground.up])
    return R, -R @ ground.floor


def _ankle_height(body: Body, index: dict[str, int]) -> float:
    """How far a standing person's ankles are over the floor, m, by the length of the shanks."""
    if not {"left_knee", "right_knee"} <= index.keys():
        return _ANKLE_M
    ends = [body.xyz[:, [index[f"left_{name}"], index[f"right_{name}"]]] for name in ("knee", "ankle")]
    shank = np.linalg.norm(ends[0] - ends[1], axis=-1)
    known = shank[np.isfinite(shank)]
    return _ANKLE_OF_SHANK * float(np.median(known)) if len(known) else _ANKLE_M
