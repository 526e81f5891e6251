"""Somebody who walks straight ahead with planted feet: posture, contacts and centre of mass are known at every instant.

The feet come first: a foot lands on its heel, lies flat, rolls off over its toes and swings, and while heel or toes
are on the floor they stay where they are, exactly. The pelvis moves above them, and the legs follow by inverse
kinematics with a knee that only bends. Phases and angles are those of level walking in Perry and Burnfield, Gait
Analysis (2010), chapters 1 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from multiview.synthetic.anatomy import (
    BODY_PARTS,
    FINGER_PARTS,
    Build,
    Posture,
    joint_positions,
    part_frames,
    part_offset,
)

__all__ = ["Contact", "Walker", "centre_of_mass", "walker_joints"]

_FLAT, _HEEL_OFF, _TOE_OFF = 0.08, 0.40, 0.62  # of the gait cycle, which begins as the heel strikes
_STRIKE_DEG, _OFF_DEG = 22.0, -52.0  # pitch of the foot then, toes up
_LANDING_M_S = (0.3, -0.15)  # how fast the heel still is as it strikes, forwards and up
_AHEAD = 0.28  # of a stride: so far the pelvis is behind the ankle at heel strike
_HEEL, _TOE = np.array([-0.033, 0.0, -0.036]), np.array([0.108, 0.0, -0.036])  # of the height, in the foot's axes
_SOLE = 0.008  # of the height: the joints of the foot lie so far above the floor when it is flat
_REACH = 0.995  # of the leg's length, at most: the knee never straightens out
_Rotations = Float64[np.ndarray, "T 3 3"]

# Share of the body's mass, and where it is in the part, in fractions of the height: of men, de Leva 1996, table 4, in
# which lengths are of a body of 1.741 m. The trunk is in three: lower in the pelvis, middle and upper in the torso.
_MASSES: tuple[tuple[str, float, tuple[float, float, float]], ...] = (
    ("pelvis", 11.17, (0.0, 0.0, 0.0325)),
    ("torso", 16.33, (0.0, 0.0, 0.0917)),
    ("torso", 15.96, (0.0, 0.0, 0.2161)),
    ("head", 6.94, (0.006, 0.0, 0.0686)),
    ("upper_arm", 2.71, (0.0, 0.0, -0.5772 * 0.172)),
    ("forearm", 1.62, (0.0, 0.0, -0.4574 * 0.146)),
    ("hand", 0.61, (0.0, 0.0, -0.0391)),
    ("thigh", 14.16, (0.0, 0.0, -0.4095 * 0.245)),
    ("shank", 4.33, (0.0, 0.0, -0.4395 * 0.246)),
    ("foot", 1.37, (-0.033 + 0.4415 * 0.141, 0.0, -0.030)),
)


@dataclass(frozen=True, slots=True)
class Contact:
    """One time that a foot is on the floor: `side`, and `strike_s` and `off_s`, when it comes and goes."""

    side: str
    strike_s: float
    off_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Walker:
    """Who walks, from where, how fast; everything else follows, as functions of time.

    Attributes:
        build: The body.
        speed_m_s: Forwards.
        cycle_s: Of a stride, two steps.
        start: (2,) m, where the pelvis is at time 0.
        heading: rad, from x towards y.
        step_width_m: Between the lines on which the ankles are put down.
        toe_out_deg: How far each foot points outwards.
    """

    build: Build
    speed_m_s: float = 1.2
    cycle_s: float = 1.08
    start: Float64[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))
    heading: float = 0.0
    step_width_m: float = 0.11
    toe_out_deg: float = 6.0

    @property
    def stride_m(self) -> float:
        """From a heel strike to the next of the same foot."""
        return self.speed_m_s * self.cycle_s

    def phase(self, side: str, time_s: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
        """Cycles since a heel strike of the foot at time 0, left, or half a cycle later, right."""
        phase: np.ndarray = time_s / self.cycle_s - (0.0 if side == "left" else 0.5)
        return phase

    def contacts(self, since_s: float, until_s: float) -> list[Contact]:
        """Every contact that begins and ends between two instants, in order."""
        found = []
        for side in ("left", "right"):
            later = 0.0 if side == "left" else 0.5
            for n in range(int(since_s / self.cycle_s) - 2, int(until_s / self.cycle_s) + 2):
                strike = (n + later) * self.cycle_s
                found.append(Contact(side, strike, strike + _TOE_OFF * self.cycle_s))
        return sorted(
            (c for c in found if since_s <= c.strike_s and c.off_s <= until_s), key=lambda contact: contact.strike_s
        )

    def planted(self, side: str, time_s: Float64[np.ndarray, " T"]) -> dict[str, Bool[np.ndarray, " T"]]:
        """Whether the heel and the toe of a foot are on the floor, by name."""
        part = self.phase(side, time_s) % 1.0
        return {"heel": part < _HEEL_OFF, "toe": (part >= _FLAT) & (part < _TOE_OFF)}

    def posture(self, time_s: Float64[np.ndarray, " T"]) -> Posture:
        """The posture at T instants."""
        cycle = 2 * np.pi * self.phase("left", time_s)
        pelvis, place = self._pelvis(time_s)
        place[:, 2] += self._height()
        feet = {side: self._foot(side, time_s) for side in ("left", "right")}
        world = {"pelvis": pelvis}
        world["torso"] = pelvis @ _swaying(cycle, z=(0.0, 9.0, 0.2), y=(0.0, 0.8, 0.5), x=(0.0, -3.0, 1.0), double="y")
        world["head"] = world["torso"] @ _swaying(cycle, z=(3.0, -4.0, 0.0), y=(-2.0, 2.0, 1.0), x=(2.0, 1.5, 0.4))
        for side, sign in (("left", 1.0), ("right", -1.0)):
            hip = place + pelvis @ part_offset(self.build, f"{side}_thigh")
            world[f"{side}_thigh"], world[f"{side}_shank"] = self._leg(side, hip, feet[side][0], time_s)
            world[f"{side}_foot"] = feet[side][1]
            own = 2 * np.pi * self.phase(side, time_s)
            arm = _swaying(own, z=(-8.0 * sign, 6.0, 0.4), y=(4.0, 16.0, 0.1), x=(9.0 * sign, 2.0, 0.7))
            world[f"{side}_upper_arm"] = world["torso"] @ arm
            bend = np.radians(-32.0 - 9.0 * np.cos(own + 2.8))
            pronated = np.radians(sign * (12.0 + 8.0 * np.sin(own)))
            world[f"{side}_forearm"] = world[f"{side}_upper_arm"] @ _about("y", bend) @ _about("z", pronated)
            hand = _about("x", np.radians(8.0 + 6.0 * np.cos(own))) @ _about("y", np.radians(6.0 * np.sin(own)))
            world[f"{side}_hand"] = world[f"{side}_forearm"] @ hand
        straight = np.broadcast_to(np.eye(3), pelvis.shape)
        return Posture(place, _relative(world) | dict.fromkeys(FINGER_PARTS, straight))

    def _pelvis(self, time_s: Float64[np.ndarray, " T"]) -> tuple[_Rotations, Float64[np.ndarray, "T 3"]]:
        """Its rotation and its place, which goes up and down about 0."""
        cycle = 2 * np.pi * self.phase("left", time_s)
        turn = _about("z", np.full(len(time_s), self.heading))
        swayed = _swaying(cycle, z=(0.0, -5.0, 0.3), y=(2.0, 0.8, 0.0), x=(0.0, 3.0, 1.2), double="y")
        along = self.speed_m_s * time_s + 0.01 * np.sin(2 * cycle)
        bob = 0.01 * self.build.height * np.cos(2 * cycle - np.pi - 0.4)
        place = np.column_stack([along, 0.018 * np.sin(cycle), bob]) @ turn[0].T + [*self.start, 0.0]
        return turn @ swayed, place

    def _height(self) -> float:
        """The highest at which both feet are always within reach, m."""
        time_s = np.linspace(0.0, self.cycle_s, 100)
        pelvis, place = self._pelvis(time_s)
        highest = np.inf
        for side in ("left", "right"):
            reach = _REACH * -sum(part_offset(self.build, f"{side}_{part}")[2] for part in ("shank", "foot"))
            leg = place + pelvis @ part_offset(self.build, f"{side}_thigh") - self._foot(side, time_s)[0]
            highest = min(highest, float((np.sqrt(reach**2 - (leg[:, :2] ** 2).sum(axis=1)) - leg[:, 2]).min()))
        return highest

    def _leg(
        self, side: str, hip: Float64[np.ndarray, "T 3"], ankle: Float64[np.ndarray, "T 3"], time_s: np.ndarray
    ) -> tuple[_Rotations, _Rotations]:
        """Thigh and shank whose knee only bends, its axis turned about the leg by a few degrees over the cycle."""
        sign = 1.0 if side == "left" else -1.0
        thigh, shank = (-part_offset(self.build, f"{side}_{part}")[2] for part in ("shank", "foot"))
        leg = hip - ankle
        distance = np.linalg.norm(leg, axis=1)
        up = leg / distance[:, None]
        swivel = self.heading + np.radians(sign * 4.0 + 5.0 * np.sin(2 * np.pi * self.phase(side, time_s) + 0.6))
        aside = np.column_stack([-np.sin(swivel), np.cos(swivel), np.zeros_like(swivel)])
        aside -= np.sum(aside * up, axis=1, keepdims=True) * up
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        plane = np.stack([np.cross(aside, up), aside, up], axis=-1)
        at_hip = np.arccos((thigh**2 + distance**2 - shank**2) / (2 * thigh * distance))
        at_knee = np.pi - np.arccos((thigh**2 + shank**2 - distance**2) / (2 * thigh * shank))
        upper = plane @ _about("y", -at_hip)
        return upper, upper @ _about("y", at_knee)

    def _foot(self, side: str, time_s: Float64[np.ndarray, " T"]) -> tuple[Float64[np.ndarray, "T 3"], _Rotations]:
        """The ankle and the foot's rotation, world."""
        sign = 1.0 if side == "left" else -1.0
        phase = self.phase(side, time_s)
        stride, part = np.floor(phase), phase % 1.0
        x, advance, z, pitch = self._sagittal(part)
        later = 0.0 if side == "left" else 0.5
        out = np.radians(sign * self.toe_out_deg)
        ahead = (stride + later + _AHEAD) * self.stride_m + advance + x * np.cos(out)
        ankle = np.column_stack([ahead, sign * self.step_width_m / 2 + x * np.sin(out), z])
        swinging = np.where(part > _TOE_OFF, np.sin(np.pi * (part - _TOE_OFF) / (1 - _TOE_OFF)) ** 2, 0.0)
        turn = _about("z", np.full(len(time_s), self.heading))
        flat = turn @ _about("z", np.full(len(time_s), out))
        rotation: np.ndarray = flat @ _about("y", -pitch) @ _about("x", np.radians(-5.0 * sign * swinging))
        return ankle @ turn[0].T + [*self.start, 0.0], rotation

    def _sagittal(self, part: Float64[np.ndarray, " T"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of the ankle, m: along the foot from where it lies flat, how far the foot has swung, height; pitch, rad."""
        x, z, pitch = np.empty((3, len(part)))
        advance = np.zeros(len(part))
        heel, toe = part < _HEEL_OFF, (part >= _HEEL_OFF) & (part < _TOE_OFF)
        swing = part >= _TOE_OFF
        pitch[heel] = np.radians(_STRIKE_DEG) * np.clip(1 - part[heel] / _FLAT, 0, None) ** 2
        x[heel], z[heel] = self._about_point(_HEEL, pitch[heel])
        pitch[toe] = np.radians(_OFF_DEG) * ((part[toe] - _HEEL_OFF) / (_TOE_OFF - _HEEL_OFF)) ** 2
        x[toe], z[toe] = self._about_point(_TOE, pitch[toe])
        x[swing], advance[swing], z[swing], pitch[swing] = self._swing((part[swing] - _TOE_OFF) / (1 - _TOE_OFF))
        return x, advance, z, pitch

    def _about_point(self, point: np.ndarray, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ankle, when the foot has turned by `pitch` about a point of it that stays."""
        height = self.build.height
        cosine, sine = np.cos(pitch), np.sin(pitch)
        x = height * (point[0] - point[0] * cosine + point[2] * sine)
        z = height * (_SOLE - point[0] * sine - point[2] * cosine)
        return x, z

    def _swing(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """From toe off (u = 0) to heel strike (u = 1): smooth at toe off, and landing at the heel's speed."""
        seconds = (1 - _TOE_OFF) * self.cycle_s
        off, strike = np.radians([_OFF_DEG, _STRIKE_DEG])
        off_rate = 2 * off / ((_TOE_OFF - _HEEL_OFF) * self.cycle_s)
        strike_rate = -2 * strike / (_FLAT * self.cycle_s)
        tiny = 1e-6  # s
        (x0, x0_after), (z0, z0_after) = self._about_point(_TOE, np.array([off, off + off_rate * tiny]))
        (x1_before, x1), (z1_before, z1) = self._about_point(_HEEL, np.array([strike - strike_rate * tiny, strike]))
        forwards, up = _LANDING_M_S
        x = _hermite(u, x0, x1, (x0_after - x0) / tiny * seconds, (x1 - x1_before) / tiny * seconds)
        advance = _hermite(u, 0.0, self.stride_m, 0.0, forwards * seconds)
        z = _hermite(u, z0, z1, (z0_after - z0) / tiny * seconds, ((z1 - z1_before) / tiny + up) * seconds)
        return x, advance, z, _hermite(u, off, strike, off_rate * seconds, strike_rate * seconds)


def centre_of_mass(build: Build, posture: Posture) -> Float64[np.ndarray, "T 3"]:
    """Of all parts, each with the mass and at the place that a man's has: m, world."""
    world_from_part, at = part_frames(build, posture)
    total, weight = np.zeros_like(posture.pelvis), 0.0
    for name, mass, offset in _MASSES:
        for part in (part for part in BODY_PARTS if part == name or part.endswith(f"_{name}")):
            mirrored = np.array(offset) * (1.0, -1.0 if part.startswith("right_") else 1.0, 1.0)
            total += mass * (at[part] + world_from_part[part] @ (build.height * mirrored))
            weight += mass
    return total / weight


def walker_joints(walker: Walker, time_s: Float64[np.ndarray, " T"], joints: tuple[str, ...]) -> np.ndarray:
    """Where some joints of a walker are at T instants, (T, J, 3) m."""
    return joint_positions(walker.build, walker.posture(time_s), joints)


def _hermite(u: np.ndarray, a: float, b: float, rate_a: float, rate_b: float) -> np.ndarray:
    """The cubic from a to b with these rates at the ends."""
    value: np.ndarray = (
        (2 * u**3 - 3 * u**2 + 1) * a
        + (u**3 - 2 * u**2 + u) * rate_a
        + (-2 * u**3 + 3 * u**2) * b
        + (u**3 - u**2) * rate_b
    )
    return value


def _about(axis: str, angle: np.ndarray) -> _Rotations:
    """Rotations by `angle` rad about x, y or z."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    rotation = np.tile(np.eye(3), (len(angle), 1, 1))
    rotation[:, i, i] = rotation[:, j, j] = np.cos(angle)
    rotation[:, j, i] = np.sin(angle)
    rotation[:, i, j] = -rotation[:, j, i]
    return rotation


def _swaying(
    cycle: np.ndarray,
    z: tuple[float, float, float],
    y: tuple[float, float, float],
    x: tuple[float, float, float],
    double: str = "",
) -> _Rotations:
    """About z, then y, then x: each with mean, amplitude (deg) and phase (rad); `double` twice in a cycle."""
    angle = {
        axis: np.radians(mean + amplitude * np.cos((2 if axis == double else 1) * cycle - phase))
        for axis, (mean, amplitude, phase) in (("z", z), ("y", y), ("x", x))
    }
    rotation: np.ndarray = _about("z", angle["z"]) @ _about("y", angle["y"]) @ _about("x", angle["x"])
    return rotation


def _relative(world: dict[str, _Rotations]) -> dict[str, _Rotations]:
    """Each part's rotation against the part that it hangs on."""
    parents = {"torso": "pelvis", "head": "torso"}
    for side in ("left", "right"):
        for part, parent in (("upper_arm", "torso"), ("thigh", "pelvis")):
            parents[f"{side}_{part}"] = parent
        for part, parent in (("forearm", "upper_arm"), ("hand", "forearm"), ("shank", "thigh"), ("foot", "shank")):
            parents[f"{side}_{part}"] = f"{side}_{parent}"
    return {
        part: rotation if part == "pelvis" else np.swapaxes(world[parents[part]], 1, 2) @ rotation
        for part, rotation in world.items()
    }
