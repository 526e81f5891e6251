"""Random bodies in random poses: joint angles drawn by posture, forward kinematics to the 26 joints of HALPE-26.

Segment lengths are fractions of stature after Drillis and Contini (1966), varied between people. A posture is a box of
joint angles; half of all people are a random mixture of two boxes, so that there is no gap between the postures.
The person's frame: x forward, y to the left, z up, metres, the lowest point on z = 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.synthetic.body import JOINTS, J

__all__ = ["EASY", "POSTURES", "sample_postures"]

# Ranges in degrees. Positive: pelvis pitch and spine bend forward, arm and hip flex raise the limb forward, "out" moves
# it away from the midline, "turn" rotates it inwards (arm) or outwards (leg), elbow and knee bend, ankle points down.
# What a posture does not name stays as in standing at ease.
_REST = (
    "pitch -4 6, roll -4 4, bend -5 12, side -6 6, twist -12 12, nod -20 25, tilt -10 10, "
    "look -50 50, arm_flex -25 35, arm_out 2 22, arm_turn 0 40, elbow 3 50, hip_flex -8 12, "
    "hip_out 0 10, hip_turn 0 25, knee 0 14, ankle -5 8"
)
_RANGES = {
    "stand": "",
    "walk": "arm_flex -35 40, elbow 5 70, hip_flex -25 40, knee 0 60, ankle -10 25",
    "gesture": "arm_flex 0 90, arm_out 5 60, arm_turn -20 80, elbow 20 140",
    "reach": "arm_flex 40 175, arm_out 0 40, elbow 0 50, bend -15 30, twist -30 30",
    "spread": "arm_flex -20 30, arm_out 50 165, arm_turn -60 60, elbow 0 100, hip_out 0 30",
    "folded": "arm_flex 20 60, arm_out 5 25, arm_turn 50 90, elbow 80 120",
    "sit": (
        "pitch -20 15, bend -5 35, arm_flex 0 70, elbow 20 100, hip_flex 65 105, hip_out 0 25, "
        "knee 55 110, ankle -15 15"
    ),
    "crouch": (
        "pitch 0 35, bend 5 50, arm_flex 20 100, elbow 10 110, hip_flex 70 125, hip_out 5 35, knee 80 145, ankle -30 10"
    ),
    "bend": "pitch 20 70, bend 15 60, arm_flex 20 110, elbow 0 60, hip_flex 10 60, knee 0 40",
    "kneel": "bend -5 30, arm_flex -10 90, elbow 0 100, hip_flex -5 95, knee 75 130, ankle 0 45",
    "lie": (
        "pitch -95 -75, roll -40 40, arm_flex -20 170, arm_out 5 90, elbow 0 100, hip_flex -10 60, "
        "hip_out 0 30, knee 0 90"
    ),
    "prone": (
        "pitch 75 95, roll -30 30, nod -40 0, arm_flex 0 175, arm_out 5 80, elbow 0 110, hip_out 0 25, "
        "knee 0 60, ankle 10 50"
    ),
    "lunge": ("pitch -5 25, arm_flex -50 90, elbow 10 110, hip_flex -35 95, hip_out 0 20, knee 5 105, ankle -15 30"),
    "rare": (
        "pitch -40 60, roll -30 30, bend -25 60, side -25 25, twist -45 45, arm_flex -50 175, "
        "arm_out 0 150, arm_turn -60 90, elbow 0 145, hip_flex -30 120, hip_out 0 50, hip_turn -20 50, "
        "knee 0 140, ankle -25 45"
    ),
}


def _read(ranges: str) -> dict[str, tuple[float, float]]:
    words = [entry.split() for entry in ranges.split(",") if entry.strip()]
    return {name: (float(low), float(high)) for name, low, high in words}


POSTURES = {name: _read(_REST) | _read(ranges) for name, ranges in _RANGES.items()}
_ANGLES = tuple(_read(_REST))
_WEIGHT = {
    "stand": 3,
    "walk": 4,
    "gesture": 3,
    "reach": 3,
    "sit": 3,
    "crouch": 2,
    "lie": 1,
    "prone": 0.7,
    "rare": 2.5,
    "spread": 2,
}
EASY = ("stand", "walk", "gesture", "spread")
_HELD_OUT = ("folded", "lunge", "kneel")


def _turn(axis: int, degrees: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, "N 3 3"]:
    """Right-handed rotations about a coordinate axis."""
    angle = np.radians(degrees)
    R = np.zeros((*angle.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R[..., axis, axis] = 1
    R[..., i, i] = R[..., j, j] = np.cos(angle)
    R[..., j, i] = np.sin(angle)
    R[..., i, j] = -np.sin(angle)
    return R


def _draw(
    rng: np.random.Generator, count: int, held_out: bool, only: tuple[str, ...] | None
) -> dict[str, Float64[np.ndarray, "N 2"]]:
    """Every angle (N, 2), left and right of each person drawn apart; the trunk's angles use the first column."""
    # Training never shows the held-out postures themselves (a mixture of others may come near them).
    names = list(only or (name for name in POSTURES if held_out or name not in _HELD_OUT))
    weight = np.array([_WEIGHT.get(name, 1.5) for name in names], dtype=float)
    low, high = (
        np.array([[POSTURES[name][angle][end] for angle in _ANGLES] for name in names], dtype=float) for end in (0, 1)
    )
    first, second = (rng.choice(len(names), count, p=weight / weight.sum()) for _ in range(2))
    share = np.where(rng.random(count) < 0.5, 0.0, rng.random(count))[:, None, None]
    u = rng.random((count, len(_ANGLES), 2))
    # Both arms, or both legs, often do the same.
    alike = rng.random(count) < 0.25
    u[alike, :, 1] = u[alike, :, 0]
    drawn = [(low[pick][..., None] + u * (high - low)[pick][..., None]) for pick in (first, second)]
    angles = (1 - share) * drawn[0] + share * drawn[1]
    return {name: angles[:, i] for i, name in enumerate(_ANGLES)}


def sample_postures(
    rng: np.random.Generator, count: int, held_out: bool = False, only: tuple[str, ...] | None = None
) -> tuple[Float64[np.ndarray, "N 26 3"], Float64[np.ndarray, " N"]]:
    """Draw people: HALPE-26 joints (m) and statures (m); `held_out` adds postures that training never shows.

    `only` names the postures to draw from.
    """
    a = _draw(rng, count, held_out, only)
    stature = np.where(
        rng.random(count) < 0.12, rng.uniform(1.05, 1.5, count), rng.normal(1.71, 0.1, count).clip(1.45, 2.05)
    )

    def vary(fraction: float, spread: float = 0.05) -> Float64[np.ndarray, "N 1"]:
        """Lengths about a fraction of each stature."""
        return np.asarray((stature * fraction * rng.normal(1, spread, count).clip(0.85, 1.15))[:, None])

    xyz = np.zeros((count, len(JOINTS), 3))
    yaw = rng.uniform(-180, 180, count)
    pelvis = _turn(2, yaw) @ _turn(1, a["pitch"][:, 0]) @ _turn(0, a["roll"][:, 0])
    spine = pelvis @ _turn(1, a["bend"][:, 0] / 2)
    chest = spine @ _turn(1, a["bend"][:, 0] / 2) @ _turn(0, a["side"][:, 0]) @ _turn(2, a["twist"][:, 0])
    head = (
        chest
        @ _turn(2, a["look"][:, 0])
        @ _turn(1, a["nod"][:, 0] - 0.3 * (a["bend"] + a["pitch"])[:, 0].clip(-60, 60))
        @ _turn(0, a["tilt"][:, 0])
    )

    xyz[:, J["neck"]] = spine[..., 2] * vary(0.13) + chest[..., 2] * vary(0.15)
    _place_head(xyz, head, chest, stature[:, None])
    shoulder_half, hip_half = vary(0.106, 0.06), vary(0.054, 0.06)
    arm, forearm, thigh, shank = vary(0.178), vary(0.15), vary(0.245), vary(0.243)
    for column, (side, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        # A raised arm lifts its shoulder.
        lift = stature * 0.04 * np.clip((np.maximum(a["arm_flex"], a["arm_out"])[:, column] - 60) / 110, 0, 1)
        shoulder = (
            xyz[:, J["neck"]] + sign * chest[..., 1] * shoulder_half + chest[..., 2] * (lift - 0.012 * stature)[:, None]
        )
        upper = (
            chest
            @ _turn(0, sign * a["arm_out"][:, column])
            @ _turn(1, -a["arm_flex"][:, column])
            @ _turn(2, -sign * a["arm_turn"][:, column])
        )
        elbow = shoulder - upper[..., 2] * arm
        wrist = elbow - (upper @ _turn(1, -a["elbow"][:, column]))[..., 2] * forearm
        hip = sign * pelvis[..., 1] * hip_half
        leg = (
            pelvis
            @ _turn(0, sign * a["hip_out"][:, column])
            @ _turn(1, -a["hip_flex"][:, column])
            @ _turn(2, sign * a["hip_turn"][:, column])
        )
        knee = hip - leg[..., 2] * thigh
        below = leg @ _turn(1, a["knee"][:, column])
        ankle = knee - below[..., 2] * shank
        foot = below @ _turn(1, a["ankle"][:, column])
        tall = stature[:, None]
        x, y, z = foot[..., 0] * tall, sign * foot[..., 1] * tall, foot[..., 2] * tall
        at = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hip": hip, "knee": knee, "ankle": ankle}
        at["heel"] = ankle - 0.03 * x - 0.033 * z
        at["big_toe"] = ankle + 0.105 * x - 0.037 * z - 0.012 * y
        at["small_toe"] = ankle + 0.09 * x - 0.037 * z + 0.03 * y
        for name, where in at.items():
            xyz[:, J[f"{side}_{name}"]] = where
    xyz[..., 2] -= (xyz[..., 2].min(axis=1) - 0.02)[:, None]
    return xyz, stature


def _place_head(
    xyz: Float64[np.ndarray, "N 26 3"],
    head: Float64[np.ndarray, "N 3 3"],
    chest: Float64[np.ndarray, "N 3 3"],
    tall: Float64[np.ndarray, "N 1"],
) -> None:
    """The head's joints, rigid on the head's frame, above and a little before the neck's base."""
    x, y, z = head[..., 0], head[..., 1], head[..., 2]
    middle = xyz[:, J["neck"]] + chest[..., 2] * 0.045 * tall + chest[..., 0] * 0.008 * tall + z * 0.067 * tall
    xyz[:, J["head_top"]] = middle + z * 0.075 * tall
    xyz[:, J["nose"]] = middle + x * 0.07 * tall - z * 0.012 * tall
    for side, sign in (("left", 1.0), ("right", -1.0)):
        xyz[:, J[f"{side}_ear"]] = middle + sign * y * 0.045 * tall
        xyz[:, J[f"{side}_eye"]] = middle + sign * y * 0.019 * tall + x * 0.056 * tall + z * 0.008 * tall
