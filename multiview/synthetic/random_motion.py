"""Random movements: smooth ways through random postures, gaits of every kind, and turns in the air.

What people do is more than any list of activities; what their joints can do is known. So joint angles are drawn within
the ranges of the joints, from families of postures and from the whole ranges, with smooth ways in between; or they
swing as legs and arms do in gaits between creeping and running; or the whole body turns head over heels, sideways or
about its length, as in gymnastics. The lowest point is on the floor, unless the movement leaves it for a moment.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from multiview.synthetic.anatomy import Build, Posture, joint_positions, random_build
from multiview.synthetic.postures import POSTURES

__all__ = ["random_movement"]

_Rotations = Float64[np.ndarray, "T 3 3"]
_Angles = dict[str, Float64[np.ndarray, "T *sides"]]  # left and right of limbs

# Degrees, signs as in `postures`; what the joints of healthy adults do of their own (American Academy of Orthopaedic
# Surgeons, Joint Motion, 1965).
_RANGES: dict[str, tuple[float, float]] = {
    "pitch": (-20, 40), "roll": (-20, 20), "bend": (-20, 65), "side": (-30, 30), "twist": (-45, 45),
    "nod": (-40, 50), "tilt": (-25, 25), "look": (-70, 70),
    "arm_flex": (-50, 180), "arm_out": (-35, 140), "arm_turn": (-60, 90), "elbow": (0, 145),
    "hip_flex": (-25, 125), "hip_out": (-15, 55), "hip_turn": (-35, 45), "knee": (0, 145), "ankle": (-25, 45),
}  # fmt: skip
_MORE: dict[str, dict[str, tuple[float, float]]] = {
    "any": {},
    "all fours": {"pitch": (45, 110), "bend": (-15, 40), "nod": (-50, 20), "arm_flex": (50, 125), "arm_out": (-5, 25),
                  "elbow": (0, 50), "hip_flex": (50, 120), "hip_out": (-5, 30), "knee": (50, 125)},
    "tuck": {"bend": (20, 65), "nod": (0, 50), "arm_flex": (20, 110), "arm_out": (-15, 30), "elbow": (20, 130),
             "hip_flex": (80, 125), "knee": (70, 145)},
    "stretch": {"bend": (-20, 10), "arm_flex": (130, 180), "arm_out": (-10, 30), "elbow": (0, 30),
                "hip_flex": (-20, 20), "knee": (0, 25)},
    "star": {"arm_flex": (-10, 40), "arm_out": (60, 140), "elbow": (0, 40), "hip_flex": (-20, 40),
             "hip_out": (10, 55), "knee": (0, 50)},
    "one leg up": {"pitch": (-30, 30), "hip_flex": (-25, 125), "hip_out": (-10, 55), "knee": (0, 110)},
    "guard": {"arm_flex": (20, 100), "arm_out": (-20, 45), "arm_turn": (-30, 90), "elbow": (10, 145),
              "hip_flex": (-10, 45), "hip_out": (0, 30), "knee": (5, 70)},
    "seated on the floor": {"pitch": (-50, 10), "bend": (0, 50), "hip_flex": (50, 120), "hip_out": (0, 50)},
}  # fmt: skip
_FAMILIES = {**POSTURES, **{name: _RANGES | ranges for name, ranges in _MORE.items()}}
_IN_AIR = ("tuck", "stretch", "star", "one leg up", "any", "stand", "spread")
_LYING = {"lie", "prone"}
_ON_ANY_SIDE = 0.4  # share of those who lie that lie on any side, not on back or belly
_ANY = 0.25  # share of postures that are of no family
_ALIKE = 0.25  # share of postures in which both arms and both legs do the same
_LAG_S = 0.15  # by which one limb may be ahead of another

_KINDS = {"postures": 0.5, "gait": 0.25, "air": 0.25}
_GRAVITY = 9.81  # m/s^2
_SOLE = 0.01  # of the height: how far a joint on which somebody rests is above the floor, at least
_RESTS_ON = (
    *(f"{side}_{joint}" for side in ("left", "right")
      for joint in ("heel", "big_toe", "knee", "hip", "wrist", "elbow", "shoulder")),
    "head_top",
)  # fmt: skip


def random_movement(
    rng: np.random.Generator, instants: int, fps: float, joints: tuple[str, ...]
) -> tuple[Float64[np.ndarray, "T J 3"], Build]:
    """Somebody who does something.

    Args:
        rng: Of all random numbers.
        instants: T, how many.
        fps: Of them a second.
        joints: Names of the J joints.

    Returns:
        (T, J, 3) m, the floor at z = 0; and the person's body.
    """
    time_s = np.arange(instants) / fps
    build = random_build(rng)
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    turn = own = np.broadcast_to(np.eye(3), (instants, 3, 3))
    heading = rng.uniform(-180, 180) + _wandering(rng, time_s, rng.choice([20.0, 90.0, 300.0]))
    speed = _wandering(rng, time_s, 1.0)
    if kind == "gait":
        angles, speed = _gait(rng, time_s, build)
    else:
        families = [str(f) for f in rng.choice(_IN_AIR if kind == "air" else list(_FAMILIES), rng.integers(1, 4))]
        angles = _through_postures(rng, time_s, families)
        if kind == "air":
            turn = _somersault(rng, time_s)
        elif _LYING & set(families):
            side = rng.uniform(-180, 180) if rng.random() < _ON_ANY_SIDE else 0.0
            own = _about(2, side + _wandering(rng, time_s, rng.choice([10.0, 60.0, 180.0])))
    rotation = _rotations(angles)
    rotation["pelvis"] = _about(2, heading) @ turn @ rotation["pelvis"] @ own
    ahead = np.radians(heading)
    path = np.cumsum(speed[:, None] / fps * np.column_stack([np.cos(ahead), np.sin(ahead)]), axis=0)
    pelvis = np.column_stack([path, np.zeros(instants)])
    lowest = joint_positions(build, Posture(pelvis, rotation), _RESTS_ON)[..., 2].min(axis=1)
    pelvis[:, 2] = _SOLE * build.height - lowest + _flight(rng, time_s, 0.7 if kind == "air" else 0.15)
    return joint_positions(build, Posture(pelvis, rotation), joints), build


def _smooth(
    rng: np.random.Generator,
    time_s: Float64[np.ndarray, " T"],
    draw: Callable[[int, float], np.ndarray],
    lags: int = 1,
) -> list[np.ndarray]:
    """What is drawn for instants at a random pace, and monotone cubics in between, at `lags` slightly other times.

    `draw` is told how many instants there are, and how many seconds apart.

    References:
        Fritsch and Carlson, Monotone piecewise cubic interpolation, 1980.
    """
    from scipy.interpolate import PchipInterpolator  # slow to import

    pace = np.exp(rng.uniform(np.log(0.2), np.log(1.2)))
    count = int((time_s[-1] + 2 * _LAG_S) / (0.6 * pace)) + 4
    knots = np.cumsum(pace * rng.uniform(0.6, 1.4, count)) - 1.4 * pace - _LAG_S
    curve = PchipInterpolator(knots, draw(count, pace), axis=0)
    late = np.minimum(0.3 * pace, _LAG_S)
    return [curve(time_s + (rng.uniform(-late, late) if lags > 1 else 0.0)) for _ in range(lags)]


def _wandering(rng: np.random.Generator, time_s: Float64[np.ndarray, " T"], per_s: float) -> np.ndarray:
    """A smooth random number that changes by so much a second."""
    return _smooth(rng, time_s, lambda count, pace: rng.normal(0.0, per_s * pace, count))[0]


def _through_postures(rng: np.random.Generator, time_s: Float64[np.ndarray, " T"], families: list[str]) -> _Angles:
    """Every angle, left and right, on the way from one posture to another; limbs are not quite in step."""

    def draw(count: int, _: float) -> np.ndarray:
        names = np.where(rng.random(count) < _ANY, "any", rng.choice(families, count))
        low, high = (
            np.array([[_FAMILIES[name][angle][end] for angle in _RANGES] for name in names], dtype=float)
            for end in (0, 1)
        )
        u = rng.random((count, len(_RANGES), 2))
        alike = rng.random(count) < _ALIKE
        u[alike, :, 1] = u[alike, :, 0]
        return np.asarray(low[..., None] + u * (high - low)[..., None])

    trunk, left_arm, right_arm, left_leg, right_leg = _smooth(rng, time_s, draw, lags=5)
    angles = {}
    for a, name in enumerate(_RANGES):
        if name.startswith("arm") or name == "elbow":
            angles[name] = np.column_stack([left_arm[:, a, 0], right_arm[:, a, 1]])
        elif name.startswith("hip") or name in ("knee", "ankle"):
            angles[name] = np.column_stack([left_leg[:, a, 0], right_leg[:, a, 1]])
        else:
            angles[name] = trunk[:, a, 0]
    return angles


def _gait(
    rng: np.random.Generator, time_s: Float64[np.ndarray, " T"], build: Build
) -> tuple[_Angles, Float64[np.ndarray, " T"]]:
    """Legs that swing in turn, arms against them or held; forwards at the speed of the steps, m/s.

    The course of the angles is that of level walking (Winter, Biomechanics and Motor Control of Human Movement, 2009,
    chapter 4), between creeping and running.
    """
    angles = _through_postures(rng, time_s, [str(rng.choice(["stand", "walk", "gesture", "guard", "reach", "any"]))])
    strides_hz = rng.uniform(0.4, 1.6)
    phase = (rng.uniform() + strides_hz * time_s)[:, None] + [0.0, 0.5]
    cycle = 2 * np.pi * phase
    swing, lift = rng.uniform(10, 45), rng.uniform(20, 110)
    crouch = rng.uniform(0, 45) if rng.random() < 0.4 else rng.uniform(0, 10)
    angles["hip_flex"] = 0.6 * crouch + rng.uniform(0, 15) + swing * np.cos(cycle)
    angles["knee"] = crouch + rng.uniform(0, 20) * _bump(phase, 0.14, 0.05) + lift * _bump(phase, 0.72, 0.09)
    angles["ankle"] = -0.3 * crouch + rng.uniform(0, 30) * _bump(phase, 0.6, 0.07)
    for name, share in (("hip_out", 0.25), ("hip_turn", 0.4)):
        angles[name] = share * angles[name]
    held = rng.random() < 0.3  # what the arms do has nothing to do with the legs
    if not held:
        arms = rng.uniform(0.3, 1.3) * swing
        angles["arm_flex"] = rng.uniform(-15, 20) - arms * np.cos(cycle)
        angles["arm_out"] = rng.uniform(0, 20) + 0 * cycle
        angles["arm_turn"] = rng.uniform(-10, 40) + 0 * cycle
        angles["elbow"] = rng.uniform(5, 100) - 0.4 * arms * np.cos(cycle)
    angles["pitch"] = rng.uniform(-5, 15) + rng.uniform(0, 3) * np.cos(2 * cycle[:, 0])
    angles["bend"] = rng.uniform(-5, 25) + 0 * cycle[:, 0]
    angles["twist"] = rng.uniform(0, 15) * np.cos(cycle[:, 0]) + rng.uniform(-10, 10)
    angles["roll"] = rng.uniform(0, 6) * np.sin(cycle[:, 0])
    angles["side"] = -angles["roll"] + rng.uniform(-5, 5)
    angles["nod"], angles["tilt"], angles["look"] = (0.5 * angles[name] for name in ("nod", "tilt", "look"))
    leg = 0.49 * build.height
    backwards = -1.0 if rng.random() < 0.05 else 1.0
    return angles, np.full(len(time_s), backwards * 4 * leg * np.sin(np.radians(swing)) * strides_hz)


def _bump(phase: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A smooth bump of height 1 once in a cycle."""
    return np.asarray(np.exp((np.cos(2 * np.pi * (phase - centre)) - 1) / (2 * np.pi * width) ** 2))


def _somersault(rng: np.random.Generator, time_s: Float64[np.ndarray, " T"]) -> _Rotations:
    """Turns of the whole body about one of its axes: half of one, one or two, each way."""
    from scipy.spatial.transform import Rotation  # slow to import

    axis = np.eye(3)[rng.choice(3, p=[0.3, 0.5, 0.2])] + rng.normal(0.0, 0.15, 3)
    revolutions = rng.choice([0.5, 1.0, 2.0], p=[0.3, 0.6, 0.1])
    lasts = rng.uniform(0.5, 1.5) * max(revolutions, 1.0)
    begin = rng.uniform(-0.7 * lasts, max(time_s[-1] - 0.3 * lasts, 0.0))
    part = np.clip((time_s - begin) / lasts, 0.0, 1.0)
    angle = 2 * np.pi * revolutions * (part * part * (3 - 2 * part))
    sign = rng.choice([-1.0, 1.0])
    return Rotation.from_rotvec(sign * angle[:, None] * axis / np.linalg.norm(axis)).as_matrix()


def _flight(rng: np.random.Generator, time_s: Float64[np.ndarray, " T"], share: float) -> Float64[np.ndarray, " T"]:
    """How high above the floor the lowest point is: 0, or for a moment on a parabola, m."""
    if rng.random() > share:
        return np.zeros_like(time_s)
    lasts = rng.uniform(0.2, 0.8)
    since = time_s - rng.uniform(-0.5 * lasts, time_s[-1])
    return np.asarray(np.clip(0.5 * _GRAVITY * since * (lasts - since), 0.0, None))


def _about(axis: int, degrees: np.ndarray) -> _Rotations:
    """Right-handed rotations about x, y or z."""
    angle = np.radians(degrees)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R = np.tile(np.eye(3), (len(angle), 1, 1))
    R[:, i, i] = R[:, j, j] = np.cos(angle)
    R[:, j, i] = np.sin(angle)
    R[:, i, j] = -R[:, j, i]
    return R


def _rotations(angles: _Angles) -> dict[str, _Rotations]:
    """Each part's rotation against the one it hangs on."""
    a = angles
    upright = np.clip(a["bend"] + a["pitch"], -60, 60)
    rotation = {
        "pelvis": _about(1, a["pitch"]) @ _about(0, a["roll"]),
        "torso": _about(1, a["bend"]) @ _about(0, a["side"]) @ _about(2, a["twist"]),
        "head": _about(2, a["look"]) @ _about(1, a["nod"] - 0.3 * upright) @ _about(0, a["tilt"]),
    }
    for column, (side, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        own = {name: values[:, column] for name, values in a.items() if values.ndim == 2}
        rotation |= {
            f"{side}_upper_arm": _about(1, -own["arm_flex"])
            @ _about(0, sign * own["arm_out"])
            @ _about(2, -sign * own["arm_turn"]),
            f"{side}_forearm": _about(1, -np.maximum(own["elbow"], 0.0)),
            f"{side}_hand": np.tile(np.eye(3), (len(own["elbow"]), 1, 1)),
            f"{side}_thigh": _about(1, -own["hip_flex"])
            @ _about(0, sign * own["hip_out"])
            @ _about(2, sign * own["hip_turn"]),
            f"{side}_shank": _about(1, np.maximum(own["knee"], 0.0)),
            f"{side}_foot": _about(1, own["ankle"]),
        }
    return rotation
