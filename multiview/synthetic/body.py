"""People made of rounded cones and ellipsoids, dressed, on any 26 joints of HALPE-26, and on 42 of hands if there are.

A body is built from joint positions alone, whatever moved them, so the keypoints are exact by construction: the
ankle is where the shank ends, the eye lies on the face. Left and right can be told only as they can in a
render_scene: by face and hair, the chest's print, the heel and the toes, and which limb hides which.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from multiview.body.hands import FINGERS, HAND_JOINTS
from multiview.body.skeleton import load_skeleton
from multiview.synthetic import raycast_kernels as kernels
from multiview.synthetic.appearance import Appearance

__all__ = ["HANDS", "JOINTS", "LIMB_RADII", "PARTS", "Figure", "J", "build_figure"]

JOINTS = load_skeleton("halpe26").joints
J = {name: index for index, name in enumerate(JOINTS)}
HANDS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in HAND_JOINTS)

# What a pixel shows; the torso and the head are split in front and back by the surface's direction.
PARTS = (
    "background",
    "face",
    "head",
    "torso_front",
    "torso_back",
    "left_upper_arm",
    "right_upper_arm",
    "left_forearm",
    "right_forearm",
    "left_thigh",
    "right_thigh",
    "left_shank",
    "right_shank",
)

# How deep under the surface each COCO joint lies, as a fraction of stature: it is seen when nothing hides its skin.
LIMB_RADII = np.array([0.02, 0.02, 0.02, 0.03, 0.03] + [0.045] * 2 + [0.03] * 4 + [0.07] * 2 + [0.04] * 2 + [0.035] * 2)


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """K primitives in world coordinates, as `raycast_kernels` takes them, and the part that each shows."""

    affine: Float64[np.ndarray, "K 3 4"]
    shape: Float64[np.ndarray, "K 3"]
    reach: Float64[np.ndarray, "K 4"]
    colour: Float32[np.ndarray, "K 3 3"]
    style: Float32[np.ndarray, "K 8"]
    part: Int64[np.ndarray, " K"]


def _cross(a: Float64[np.ndarray, " 3"], b: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, " 3"]:
    """np.cross of two single vectors, ten times as fast."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def _unit(v: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, " 3"]:
    return v / max(math.sqrt(v @ v), 1e-9)


def _frame(z: Float64[np.ndarray, " 3"], forward: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 3"]:
    """Columns x, y, z of the right-handed frame along `z` whose x is as close to `forward` as can be."""
    z = _unit(z)
    y = _cross(z, forward)
    if y @ y < 0.01 * (forward @ forward):
        y = _cross(z, forward + np.array([0.31, 0.17, 0.53]))
    y = _unit(y)
    return np.stack([_cross(y, z), y, z], axis=1)


class _Builder:
    """Collects primitives in world coordinates."""

    def __init__(self, appearance: Appearance) -> None:
        self.appearance = appearance
        self.rows: list[tuple[Float64[np.ndarray, "3 4"], tuple[float, float, float], Float64[np.ndarray, " 4"]]] = []
        self.colours: list[Float64[np.ndarray, "3 3"]] = []
        self.styles: list[tuple[float, ...]] = []
        self.parts: list[int] = []

    def add(
        self,
        part: str,
        start: Float64[np.ndarray, " 3"],
        frame: Float64[np.ndarray, "3 3"],
        radii: tuple[float, float],
        height: float = 0.0,
        ends: tuple[float, float] = (1.0, 1.0),
        colours: Float64[np.ndarray, "3 3"] | None = None,
        pattern: tuple[int, float, float] = (kernels.PLAIN, 1.0, 0.0),
        cut: float = 9.0,
        feature: int = kernels.NO_FEATURE,
    ) -> None:
        """A rounded cone from `start` (m) along the frame's z; `radii` m along x and y, `ends` scale both ends.

        Locally one unit across is `radii[1]`; along z the unit is the same.
        """
        scale = np.array([radii[0], radii[1], radii[1]])
        linear = frame.T / scale[:, None]
        self.rows.append(
            (
                np.hstack([linear, -(linear @ start)[:, None]]),
                (height / radii[1], *ends),
                np.append(start + frame[:, 2] * height / 2, height / 2 + max(radii) * max(ends)),
            )
        )
        self.colours.append(np.zeros((3, 3)) if colours is None else colours)
        self.styles.append((*pattern, cut, feature, self.appearance.gloss, 0, 0))
        self.parts.append(PARTS.index(part))

    def limb(
        self,
        part: str,
        a: Float64[np.ndarray, " 3"],
        b: Float64[np.ndarray, " 3"],
        forward: Float64[np.ndarray, " 3"],
        r0: float,
        r1: float,
        colours: Float64[np.ndarray, "3 3"],
        pattern: tuple[int, float, float] = (kernels.PLAIN, 1.0, 0.0),
        cut: float = 9.0,
    ) -> None:
        """A rounded cone from a to b (m) with radii r0, r1 (m)."""
        self.add(
            part,
            a,
            _frame(b - a, forward),
            (r0, r0),
            float(np.linalg.norm(b - a)),
            (1.0, r1 / r0),
            colours,
            pattern,
            cut,
        )

    def figure(self) -> Figure:
        return Figure(
            np.stack([row[0] for row in self.rows]),
            np.array([row[1] for row in self.rows]),
            np.stack([row[2] for row in self.rows]),
            np.stack(self.colours).astype(np.float32),
            np.array(self.styles, dtype=np.float32),
            np.array(self.parts),
        )


def build_figure(
    xyz: Float64[np.ndarray, "26 3"],
    appearance: Appearance,
    stature: float = 1.7,
    hands: Float64[np.ndarray, "42 3"] | None = None,
) -> Figure:
    """Dress a skeleton: the primitives of one person from HALPE-26 joints (world, m) and an appearance.

    `stature` m sets the thickness of limbs and trunk. `hands` are the joints HANDS; without them a hand is a mitten.
    """
    build = _Builder(appearance)
    size = stature * appearance.girth
    up = xyz[J["neck"]] - xyz[J["mid_hip"]]
    chest = _frame(up, _cross(xyz[J["left_shoulder"]] - xyz[J["right_shoulder"]], up))
    pelvis = _frame(up, _cross(xyz[J["left_hip"]] - xyz[J["right_hip"]], up))
    _trunk(build, xyz, chest, pelvis, size)
    _head(build, xyz, chest, stature)
    for column, side in enumerate(("left", "right")):
        _arm(build, xyz, side, chest[:, 0], size, mitten=hands is None)
        if hands is not None:
            _hand(build, side, xyz[J[f"{side}_wrist"]], hands[21 * column : 21 * (column + 1)], stature)
        _leg(build, xyz, side, pelvis[:, 0], size)
    return build.figure()


def _trunk(
    build: _Builder,
    xyz: Float64[np.ndarray, "26 3"],
    chest: Float64[np.ndarray, "3 3"],
    pelvis: Float64[np.ndarray, "3 3"],
    size: float,
) -> None:
    appearance = build.appearance
    hip, neck = xyz[J["mid_hip"]], xyz[J["neck"]]
    length = float(np.linalg.norm(neck - hip))
    cloth = np.vstack([appearance.top, appearance.print_colour])
    legs = np.vstack([appearance.trousers, appearance.skin])
    wide = 0.72 * float(np.linalg.norm(xyz[J["left_shoulder"]] - xyz[J["right_shoulder"]])) / 2
    build.add(
        "torso_front",
        hip + chest[:, 2] * 0.38 * length,
        chest,
        (0.062 * size, wide * appearance.girth),
        0.42 * length,
        (0.9, 1.02),
        feature=appearance.top_feature,
        colours=cloth,
        pattern=appearance.top_pattern,
    )
    build.add(
        "torso_front",
        hip + pelvis[:, 2] * 0.12 * length,
        pelvis,
        (0.06 * size, 0.075 * size),
        0.35 * length,
        (1.1, 1.0),
        colours=cloth,
        pattern=appearance.top_pattern,
    )
    build.add(
        "torso_front",
        hip - pelvis[:, 2] * 0.01 * size,
        pelvis,
        (0.066 * size, 0.094 * size),
        colours=legs,
        pattern=appearance.trouser_pattern,
    )
    shoulders = xyz[J["left_shoulder"]] - xyz[J["right_shoulder"]]
    yoke = _frame(shoulders, chest[:, 0])
    build.add(
        "torso_front",
        xyz[J["right_shoulder"]],
        yoke,
        (0.04 * size, 0.037 * size),
        float(np.linalg.norm(shoulders)),
        colours=cloth,
        pattern=appearance.top_pattern,
    )
    for sign in (-1.0, 1.0):
        build.add(
            "torso_back",
            hip - pelvis[:, 0] * 0.026 * size + sign * pelvis[:, 1] * 0.04 * size - pelvis[:, 2] * 0.022 * size,
            pelvis,
            (0.045 * size, 0.047 * size),
            colours=legs,
            pattern=appearance.trouser_pattern,
        )
        if appearance.bust > 0.3:
            build.add(
                "torso_front",
                hip + chest[:, 2] * 0.68 * length + chest[:, 0] * 0.04 * size + sign * chest[:, 1] * 0.045 * size,
                chest,
                (0.03 * size * (0.6 + appearance.bust), 0.04 * size),
                colours=cloth,
                pattern=appearance.top_pattern,
            )
    if appearance.backpack is not None:
        build.add(
            "torso_back",
            neck - chest[:, 0] * 0.1 * size - chest[:, 2] * 0.38 * length,
            chest,
            (0.07 * size, 0.085 * size),
            0.25 * length,
            colours=np.tile(appearance.backpack, (3, 1)),
        )
    if appearance.skirt:
        knees = (xyz[J["left_knee"]] + xyz[J["right_knee"]]) / 2
        build.add(
            "torso_front",
            hip,
            _frame(knees - hip, pelvis[:, 0]),
            (0.066 * size, 0.09 * size),
            0.75 * float(np.linalg.norm(knees - hip)),
            (1.0, 1.35),
            legs,
            appearance.trouser_pattern,
        )


def _head(build: _Builder, xyz: Float64[np.ndarray, "26 3"], chest: Float64[np.ndarray, "3 3"], stature: float) -> None:
    appearance = build.appearance
    ears = xyz[J["left_ear"]] - xyz[J["right_ear"]]
    middle = (xyz[J["left_ear"]] + xyz[J["right_ear"]]) / 2
    eyes = (xyz[J["left_eye"]] + xyz[J["right_eye"]]) / 2
    up = _unit(_cross(eyes - middle, ears))
    # Eyes sit a little above the ears' line: tilt back so that the face looks along x.
    head = _frame(up, _cross(ears, up))
    width = float(np.linalg.norm(ears)) / 2
    skin, hair = np.tile(appearance.skin, (3, 1)), np.tile(appearance.hair, (3, 1))
    scalp = np.vstack([appearance.hair, appearance.hair, appearance.skin])
    centre = middle + head[:, 2] * 0.012 * stature + head[:, 0] * 0.004 * stature
    basis = np.stack([head[:, 0], head[:, 1], head[:, 2]], axis=1)
    build.limb(
        "head",
        xyz[J["neck"]] - chest[:, 2] * 0.01 * stature,
        middle - head[:, 2] * 0.03 * stature,
        chest[:, 0],
        0.036 * stature,
        0.032 * stature,
        skin,
    )
    build.add(
        "face",
        centre - head[:, 2] * 0.022 * stature,
        basis,
        (0.058 * stature, width * 0.95),
        0.036 * stature,
        (0.9, 1.0),
        scalp,
        feature=kernels.HAIR_CAP,
    )
    build.add(
        "face",
        xyz[J["nose"]] - head[:, 0] * 0.012 * stature,
        head,
        (0.014 * stature, 0.008 * stature),
        colours=skin * 0.93,
    )
    for side in ("left", "right"):
        build.add(
            "face",
            xyz[J[f"{side}_eye"]] - head[:, 0] * 0.003 * stature,
            head,
            (0.006 * stature, 0.01 * stature),
            colours=np.tile(np.array([0.06, 0.05, 0.05]), (3, 1)),
        )
        build.add("head", xyz[J[f"{side}_ear"]], head, (0.014 * stature, 0.009 * stature), colours=skin * 0.95)
    build.add(
        "face",
        centre + head[:, 0] * 0.05 * stature - head[:, 2] * 0.045 * stature,
        head,
        (0.009 * stature, 0.016 * stature),
        colours=np.tile(appearance.skin * np.array([0.75, 0.45, 0.45]), (3, 1)),
    )
    build.add(
        "head",
        centre - head[:, 0] * 0.012 * stature + head[:, 2] * 0.017 * stature,
        head,
        (0.053 * stature, width * 1.06),
        colours=hair,
    )
    if appearance.long_hair:
        down = _frame(-head[:, 2], head[:, 0])
        build.add(
            "head", centre - head[:, 0] * 0.035 * stature, down, (0.028 * stature, width), 0.1 * stature, colours=hair
        )
    if appearance.cap:
        build.add(
            "head",
            centre + head[:, 2] * 0.03 * stature,
            head,
            (0.06 * stature, width * 1.08),
            colours=_cap_colour(appearance),
        )
        build.add(
            "head",
            centre + head[:, 2] * 0.04 * stature + head[:, 0] * 0.06 * stature,
            _frame(head[:, 0], head[:, 2]),
            (0.006 * stature, 0.04 * stature),
            colours=_cap_colour(appearance),
        )


def _cap_colour(appearance: Appearance) -> Float64[np.ndarray, "3 3"]:
    """A cap goes with the shirt's print."""
    return np.tile(appearance.print_colour, (3, 1))


def _arm(
    build: _Builder,
    xyz: Float64[np.ndarray, "26 3"],
    side: str,
    forward: Float64[np.ndarray, " 3"],
    size: float,
    mitten: bool = True,
) -> None:
    appearance = build.appearance
    shoulder, elbow, wrist = (xyz[J[f"{side}_{name}"]] for name in ("shoulder", "elbow", "wrist"))
    cloth, skin = np.vstack([appearance.top, appearance.skin]), np.tile(appearance.skin, (3, 1))
    build.limb(
        f"{side}_upper_arm",
        shoulder,
        elbow,
        forward,
        0.034 * size,
        0.026 * size,
        cloth,
        appearance.top_pattern,
        appearance.sleeve,
    )
    build.limb(
        f"{side}_forearm",
        elbow,
        wrist,
        forward,
        0.026 * size,
        0.018 * size,
        cloth,
        appearance.top_pattern,
        appearance.sleeve - 1.0,
    )
    if not mitten:
        return
    along = _frame(wrist - elbow, forward)
    build.add(
        f"{side}_forearm",
        wrist + along[:, 2] * 0.028 * size,
        along,
        (0.014 * size, 0.023 * size),
        0.028 * size,
        (1.0, 0.8),
        skin,
    )


def _hand(
    build: _Builder,
    side: str,
    wrist: Float64[np.ndarray, " 3"],
    hand: Float64[np.ndarray, "21 3"],
    stature: float,
) -> None:
    """A palm of four bones, webbed, and five fingers with paler nails; the back of it lies a little higher."""
    skin = np.tile(build.appearance.skin, (3, 1))
    part = f"{side}_forearm"
    knuckles = hand[[5, 9, 13, 17]]
    back = _unit(_cross(knuckles[0] - hand[0], knuckles[3] - hand[0])) * (1.0 if side == "left" else -1.0)
    thick = dict.fromkeys(FINGERS, 0.0053 * stature) | {
        "thumb": 0.0062 * stature,
        "pinky_finger": 0.0046 * stature,
    }
    heel = wrist + 0.25 * (hand[9] - wrist)
    for knuckle in knuckles:
        start = heel + 0.45 * (knuckle - hand[9])
        build.limb(part, start, knuckle, back, 0.0115 * stature, 0.0072 * stature, skin)
    across = knuckles[3] - knuckles[0]
    middle = (hand[0] + knuckles.mean(axis=0)) / 2
    palm = _frame(knuckles.mean(axis=0) - hand[0], back)
    wide = 0.62 * float(np.linalg.norm(across))
    build.add(part, middle, palm, (0.0105 * stature, wide), colours=skin)
    build.limb(part, wrist, hand[1], back, 0.011 * stature, 0.0085 * stature, skin)
    for f, finger in enumerate(FINGERS):
        joints = hand[1 + 4 * f : 5 + 4 * f]
        for i in range(3):
            radius = thick[finger] * (1.0 - 0.12 * i)
            first = 0.0105 * stature if finger == "thumb" and i == 0 else radius
            build.limb(part, joints[i], joints[i + 1], back, first, radius * 0.9, skin * (1.0 - 0.02 * i))
        tip = _frame(joints[3] - joints[2], _nail(joints, back))
        nail = joints[3] - tip[:, 2] * 0.002 * stature + tip[:, 0] * thick[finger] * 0.55
        build.add(
            part, nail, tip, (0.0016 * stature, 0.0028 * stature), 0.002 * stature, colours=np.clip(skin * 1.2, 0, 1)
        )


def _nail(joints: Float64[np.ndarray, "4 3"], back: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, " 3"]:
    """Where a finger's nail looks: away from where it bends to, with the hand's back where it is straight."""
    last = _unit(joints[3] - joints[2])
    bent = _unit(joints[1] - joints[0]) - last
    return bent - (bent @ last) * last + 0.1 * back


def _leg(
    build: _Builder, xyz: Float64[np.ndarray, "26 3"], side: str, forward: Float64[np.ndarray, " 3"], size: float
) -> None:
    appearance = build.appearance
    hip, knee, ankle, heel = (xyz[J[f"{side}_{name}"]] for name in ("hip", "knee", "ankle", "heel"))
    toes = (xyz[J[f"{side}_big_toe"]] + xyz[J[f"{side}_small_toe"]]) / 2
    cloth = np.vstack([appearance.trousers, appearance.skin])
    build.limb(
        f"{side}_thigh",
        hip,
        knee,
        forward,
        0.054 * size,
        0.038 * size,
        cloth,
        appearance.trouser_pattern,
        appearance.trouser_length,
    )
    build.limb(
        f"{side}_shank",
        knee,
        ankle,
        toes - heel,
        0.037 * size,
        0.025 * size,
        cloth,
        appearance.trouser_pattern,
        appearance.trouser_length - 1.0,
    )
    shank = _frame(ankle - knee, toes - heel)
    build.limb(
        f"{side}_shank",
        knee + (ankle - knee) * 0.15 - shank[:, 0] * 0.012 * size,
        knee + (ankle - knee) * 0.45 - shank[:, 0] * 0.014 * size,
        toes - heel,
        0.034 * size,
        0.027 * size,
        cloth,
        appearance.trouser_pattern,
        appearance.trouser_length - 1.0,
    )
    shoe = np.vstack([appearance.shoes, appearance.shoes, appearance.shoes])
    sole = _frame(toes - heel, _cross(xyz[J[f"{side}_small_toe"]] - xyz[J[f"{side}_big_toe"]], toes - heel))
    build.add(
        f"{side}_shank",
        heel + sole[:, 2] * 0.02 * size,
        sole,
        (0.021 * size, 0.026 * size),
        0.75 * float(np.linalg.norm(toes - heel)),
        (1.0, 1.05),
        shoe,
    )
