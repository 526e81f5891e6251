"""A person's rigid bodies, joints and markers, as an OpenSim model has them: from their own bone lengths.

Bodies have the axes of the ISB (X forwards, Y up, Z right) and the coordinates the names and signs of the Rajagopal
model, where it has them, so that results compare. The knee only bends. The lumbar joint does not bend forwards, as no
joint tells the pelvis' tilt from the trunk's: `lumbar_extension` is there, and locked. Markers are the joints.

Masses and radii of gyration are shares by de Leva (1996, table 4, men and women in the mean); the whole mass, if it is
not given, is 23 kg/m^2 times the square of the height, and the height, if it is not given, that of the leg over 0.491
(Winter 2009, section 4.1). Limits of joints: American Academy of Orthopaedic Surgeons (1965), widened by 20 degrees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.movement import Movement
from multiview.biomechanics.segments import Reach, Segments, reach_of, segments
from multiview.errors import SourceError

__all__ = ["LEG_OF_HEIGHT", "Body", "Coordinate", "Marker", "Model", "build_model"]

Vector = tuple[float, float, float]
_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_BMI, LEG_OF_HEIGHT = 23.0, 0.491
# Share of the mass, share of the segment's length from its upper end to its centre, and radii of gyration as shares of
# that length about X, Z and Y.
_SHARES = {
    "pelvis": (0.1182, 0.0, (0.52, 0.60, 0.57)),  # of the distance of the hips
    "torso": (0.3120, 0.45, (0.36, 0.33, 0.19)),
    "head": (0.0681, 0.0, (0.30, 0.31, 0.26)),
    "humerus": (0.0263, 0.5763, (0.282, 0.265, 0.153)),
    "forearm": (0.0150, 0.4567, (0.269, 0.262, 0.108)),
    "hand": (0.0059, 0.7687, (0.580, 0.484, 0.368)),
    "femur": (0.1447, 0.3854, (0.349, 0.347, 0.156)),
    "tibia": (0.0457, 0.4374, (0.263, 0.258, 0.098)),
    "foot": (0.0133, 0.4208, (0.132, 0.262, 0.278)),
}


class Coordinate(NamedTuple):
    """A degree of freedom: about `axis` (deg), or along it where `moves` (m), between two limits."""

    name: str
    axis: Vector
    low: float
    high: float
    moves: bool = False
    locked: bool = False


class Body(NamedTuple):
    """A rigid body, jointed to its parent at `at` (m, in the parent's frame; its own origin)."""

    name: str
    parent: str
    at: Vector
    coordinates: tuple[Coordinate, ...]
    mass_kg: float
    centre: Vector
    inertia: tuple[float, ...]


class Marker(NamedTuple):
    """A joint's place on a body, m."""

    name: str
    body: str
    at: Vector


class Model(NamedTuple):
    """Everything that OpenSim needs to know of a person."""

    name: str
    bodies: tuple[Body, ...]
    markers: tuple[Marker, ...]


def build_model(person: Movement, height_m: float = 0.0, mass_kg: float = 0.0) -> Model:
    """A model of the person from the medians of what was seen of them.

    Args:
        person: The movement.
        height_m: Their height; 0: from the legs.
        mass_kg: Their mass; 0: from the height.

    Returns:
        The model.

    Raises:
        ConfigError: The skeleton lacks a limb.
        SourceError: A limb was never seen.
    """
    seen = segments(person.joints, person.xyz)
    shows = reach_of(person.joints)
    at = {name: person.xyz[:, i] for i, name in enumerate(person.joints)}
    height = height_m or person.leg_m / LEG_OF_HEIGHT
    mass = mass_kg or _BMI * height**2
    build = _Builder(person, seen, at, mass)
    build.trunk(shows)
    for side, right in (("right", 1.0), ("left", -1.0)):
        build.leg(side, right, shows)
        build.arm(side, right, shows)
    whole = mass / sum(body.mass_kg for body in build.bodies)  # without hands or head the others weigh it all
    bodies = tuple(
        body._replace(mass_kg=whole * body.mass_kg, inertia=tuple(whole * moment for moment in body.inertia))
        for body in build.bodies
    )
    return Model(person.label, bodies, tuple(build.markers))


class _Builder:
    """Collects bodies, parents first."""

    def __init__(
        self, person: Movement, seen: Segments, at: dict[str, Float64[np.ndarray, "T 3"]], mass_kg: float
    ) -> None:
        self.person, self.seen, self.at, self.mass_kg = person, seen, at, mass_kg
        self.bodies: list[Body] = []
        self.markers: list[Marker] = []

    def length(self, *joints: str) -> float:
        """The median distance of two joints, or of the middles of four, m."""
        half = len(joints) // 2
        way = np.mean([self.at[name] for name in joints[:half]], axis=0) - np.mean(
            [self.at[name] for name in joints[half:]], axis=0
        )
        lengths = np.linalg.norm(way, axis=1)
        lengths = lengths[np.isfinite(lengths)]
        if not len(lengths):
            raise SourceError(f"{self.person.label}: {' and '.join(joints)} are never seen together: no model of them")
        return float(np.median(lengths))

    def inside(self, segment: str, joint: str, origin: np.ndarray) -> Vector:
        """Where a joint is in a segment's frame, the median over time."""
        local = np.einsum("tji,tj->ti", self.seen.frame[segment], self.at[joint] - origin)
        local = local[np.isfinite(local).all(axis=1)]
        if not len(local):
            raise SourceError(f"{self.person.label}: {joint} is never seen with the {segment}: no model of them")
        x, y, z = np.median(local, axis=0)
        return float(x), float(y), float(z)

    def add(
        self, name: str, parent: str, at: Vector, coordinates: tuple[Coordinate, ...], length: float, along: Vector
    ) -> None:
        share, centre, gyration = _SHARES[name.removesuffix("_r").removesuffix("_l")]
        mass = share * self.mass_kg
        x, z, y = (mass * (part * length) ** 2 for part in gyration)
        place = tuple(centre * length * part for part in along)
        self.bodies.append(Body(name, parent, at, coordinates, mass, (place[0], place[1], place[2]), (x, y, z)))

    def mark(self, joint: str, body: str, at: Vector) -> None:
        self.markers.append(Marker(joint, body, at))

    def trunk(self, shows: Reach) -> None:
        hips, trunk = self.length("left_hip", "right_hip"), self.length(*_both("shoulder"), *_both("hip"))
        free = (("tilt", _Z), ("list", _X), ("rotation", _Y))
        ground = tuple(Coordinate(f"pelvis_{name}", axis, -360.0, 360.0) for name, axis in free)
        ground += tuple(
            Coordinate(f"pelvis_t{name}", axis, -1e4, 1e4, moves=True)
            for name, axis in zip("xyz", (_X, _Y, _Z), strict=True)
        )
        self.add("pelvis", "ground", (0.0, 0.0, 0.0), ground, hips, _Y)
        lumbar = (
            Coordinate("lumbar_extension", _Z, -90.0, 90.0, locked=True),
            Coordinate("lumbar_bending", _X, -60.0, 60.0),
            Coordinate("lumbar_rotation", _Y, -80.0, 80.0),
        )
        self.add("torso", "pelvis", (0.0, 0.0, 0.0), lumbar, trunk, _Y)
        shoulders = self.seen.origin["thorax"]
        for side, right in (("right", 1.0), ("left", -1.0)):
            self.mark(f"{side}_hip", "pelvis", (0.0, 0.0, right * hips / 2))
            x, y, z = self.inside("thorax", f"{side}_shoulder", shoulders)
            self.mark(f"{side}_shoulder", "torso", (x, y + trunk, z))
        if shows.head:
            neck = (
                Coordinate("neck_extension", _Z, -90.0, 90.0),
                Coordinate("neck_bending", _X, -70.0, 70.0),
                Coordinate("neck_rotation", _Y, -100.0, 100.0),
            )
            ears = self.length("left_ear", "right_ear")
            self.add("head", "torso", (0.0, trunk, 0.0), neck, ears, _Y)
            for joint in ("nose", "left_eye", "right_eye", "left_ear", "right_ear"):
                self.mark(joint, "head", self.inside("head", joint, shoulders))

    def leg(self, side: str, right: float, shows: Reach) -> None:
        end = side[0]
        hips, thigh = self.length("left_hip", "right_hip"), self.length(f"{side}_hip", f"{side}_knee")
        shank = self.length(f"{side}_knee", f"{side}_ankle")
        mirror_x, mirror_y = (right, 0.0, 0.0), (0.0, right, 0.0)
        hip = (
            Coordinate(f"hip_flexion_{end}", _Z, -50.0, 140.0),
            Coordinate(f"hip_adduction_{end}", mirror_x, -65.0, 50.0),
            Coordinate(f"hip_rotation_{end}", mirror_y, -65.0, 65.0),
        )
        self.add(f"femur_{end}", "pelvis", (0.0, 0.0, right * hips / 2), hip, thigh, (0.0, -1.0, 0.0))
        knee = (Coordinate(f"knee_angle_{end}", (0.0, 0.0, -1.0), -30.0, 160.0),)
        self.add(f"tibia_{end}", f"femur_{end}", (0.0, -thigh, 0.0), knee, shank, (0.0, -1.0, 0.0))
        self.mark(f"{side}_knee", f"femur_{end}", (0.0, -thigh, 0.0))
        self.mark(f"{side}_ankle", f"tibia_{end}", (0.0, -shank, 0.0))
        if not shows.sole:
            return
        ankle = (
            Coordinate(f"ankle_angle_{end}", _Z, -70.0, 50.0),
            Coordinate(f"subtalar_angle_{end}", mirror_x, -55.0, 45.0),
            Coordinate(f"ankle_rotation_{end}", mirror_y, -40.0, 40.0),
        )
        foot = [f"{side}_{joint}" for joint in ("heel", "big_toe", "small_toe") if f"{side}_{joint}" in self.at]
        self.add(
            f"foot_{end}", f"tibia_{end}", (0.0, -shank, 0.0), ankle, self.length(foot[0], foot[1]), (0.3, -0.2, 0.0)
        )
        for joint in foot:
            self.mark(joint, f"foot_{end}", self.inside(f"{side}_foot", joint, self.at[f"{side}_ankle"]))

    def arm(self, side: str, right: float, shows: Reach) -> None:
        end = side[0]
        upper, lower = self.length(f"{side}_shoulder", f"{side}_elbow"), self.length(f"{side}_elbow", f"{side}_wrist")
        mirror_x, mirror_y = (right, 0.0, 0.0), (0.0, right, 0.0)
        shoulder = (
            Coordinate(f"arm_flex_{end}", _Z, -110.0, 200.0),
            Coordinate(f"arm_add_{end}", mirror_x, -200.0, 100.0),
            Coordinate(f"arm_rot_{end}", mirror_y, -130.0, 130.0),
        )
        place = next(marker.at for marker in self.markers if marker.name == f"{side}_shoulder")
        self.add(f"humerus_{end}", "torso", place, shoulder, upper, (0.0, -1.0, 0.0))
        elbow = (
            Coordinate(f"elbow_flex_{end}", _Z, -20.0, 170.0),
            Coordinate(f"pro_sup_{end}", mirror_y, -30.0, 200.0, locked=not shows.hand),
        )
        self.add(f"forearm_{end}", f"humerus_{end}", (0.0, -upper, 0.0), elbow, lower, (0.0, -1.0, 0.0))
        self.mark(f"{side}_elbow", f"humerus_{end}", (0.0, -upper, 0.0))
        self.mark(f"{side}_wrist", f"forearm_{end}", (0.0, -lower, 0.0))
        if not shows.hand:
            return
        wrist = (
            Coordinate(f"wrist_flex_{end}", _Z, -100.0, 110.0),
            Coordinate(f"wrist_dev_{end}", mirror_x, -45.0, 55.0),
        )
        knuckles = ("forefinger1", "pinky_finger1") if f"{side}_forefinger1" in self.at else ("index", "pinky")
        hand = self.length(f"{side}_wrist", f"{side}_{knuckles[0]}")
        self.add(f"hand_{end}", f"forearm_{end}", (0.0, -lower, 0.0), wrist, hand, (0.0, -1.0, 0.0))
        for name in knuckles:
            self.mark(
                f"{side}_{name}", f"hand_{end}", self.inside(f"{side}_hand", f"{side}_{name}", self.at[f"{side}_wrist"])
            )


def _both(joint: str) -> tuple[str, str]:
    return f"left_{joint}", f"right_{joint}"
