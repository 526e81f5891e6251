"""People as solids: joints are balls, bones are cones between them. Arrays only; whoever has a window draws them.

A figure always has the same triangles; each frame moves their corners. What is unknown shrinks to a point, which draws
nothing. Triangles are few, since a machine without a graphics card draws about a million of them a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from multiview.body.skeleton import Skeleton
from multiview.common.palette import RGB, blend, person_colour, side_colour
from multiview.data import Track
from multiview.drawing.stick_figure import stick_figure

__all__ = ["SMALL_M", "Mesh", "PeopleMesh", "joint_radii"]

SMALL_M = 0.01  # a joint of no more than this radius is drawn in a simpler shape
_TUBE, _THIN_TUBE = 0.72, 0.2  # a bone's radius as a part of its joints'; thin ones let ellipsoids be seen
_FILLED_SIZE = 0.55  # a filled joint's ball and its bones are this much thinner
_FILLED_TONE: RGB = (0.42, 0.44, 0.47)
_LARGE = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "neck", "mid_hip", "thorax", "pelvis", "spine")
_MEDIUM = ("nose", "eye", "ear", "heel", "toe", "head")
_ELLIPSOID_90 = 2.5003  # in three dimensions, 90 % lies within this many standard deviations


@dataclass(frozen=True, slots=True)
class Mesh:
    """Vertices (m), unit normals, colours in [0, 1], and triangles as indices of vertices."""

    vertices: Float64[np.ndarray, "V 3"]
    normals: Float64[np.ndarray, "V 3"]
    colours: Float64[np.ndarray, "V 3"]
    triangles: Int32[np.ndarray, "T 3"]


def joint_radii(joints: Sequence[str]) -> Float64[np.ndarray, " D"]:
    """How large each joint's ball is, m: large for limbs, small for face and feet, fine for fingers and contours."""

    def radius(name: str) -> float:
        last = name.removeprefix("left_").removeprefix("right_")
        if last in _LARGE:
            return 0.036
        return 0.021 if last.endswith(_MEDIUM) or last.startswith(_MEDIUM) else 0.008

    return np.array([radius(name) for name in joints])


@dataclass(frozen=True, slots=True)
class _Balls:
    """A ball for each of some joints."""

    joints: Int64[np.ndarray, " K"]
    corners: Float64[np.ndarray, "V 3"]  # of a ball of radius 1
    triangles: Int32[np.ndarray, "T 3"]


@dataclass(frozen=True, slots=True)
class _Tubes:
    """A cone, cut off at both ends, for each of some bones."""

    bones: Int64[np.ndarray, "K 2"]
    ring: Float64[np.ndarray, "S 2"]  # the corners of its cross-section, of radius 1

    @property
    def triangles(self) -> Int32[np.ndarray, "T 3"]:
        sides = len(self.ring)
        side, after = np.arange(sides), (np.arange(sides) + 1) % sides
        halves = [np.stack([side, after, side + sides], 1), np.stack([after, after + sides, side + sides], 1)]
        return np.concatenate(halves).astype(np.int32)


class PeopleMesh:
    """The solids of people of one skeleton; `fine` ones are rounder, and cost three times as much to draw."""

    def __init__(self, skeleton: Skeleton, fine: bool = False) -> None:
        self.figure = stick_figure(skeleton)
        self._radii = joint_radii(self.figure.joints)
        bones = np.array(self.figure.bones, dtype=np.int64).reshape(-1, 2)
        large = self._radii > SMALL_M
        thick = large[bones].any(axis=1)
        ball, sides = (_icosphere(), 10) if fine else (_octasphere(), 6)
        small_ball, small_sides = (_icosahedron(), 6) if fine else (_octahedron(), 3)
        self._balls = (
            _Balls(np.flatnonzero(large), *ball),
            _Balls(np.flatnonzero(~large), *small_ball),
        )
        self._tubes = (_Tubes(bones[thick], _ring(sides)), _Tubes(bones[~thick], _ring(small_sides)))
        self._triangles = self._one_person()
        self._tones: dict[int, Float64[np.ndarray, "D 2 3"]] = {}

    def _one_person(self) -> Int32[np.ndarray, "T 3"]:
        parts, count = [np.empty((0, 3), dtype=np.int32)], 0
        shapes = [(len(b.joints), len(b.corners), b.triangles) for b in self._balls]
        shapes += [(len(t.bones), 2 * len(t.ring), t.triangles) for t in self._tubes]
        for many, corners, triangles in shapes:
            first = count + corners * np.arange(many, dtype=np.int32)[:, None, None]
            parts.append((triangles + first).reshape(-1, 3).astype(np.int32))
            count += many * corners
        return np.concatenate(parts)

    def mesh(self, tracks: Sequence[Track], uncertainty: bool = False) -> Mesh:
        """Everyone; with `uncertainty` a joint's ball is its 90 % ellipsoid."""
        people = len(tracks)
        if not people:
            return Mesh(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), dtype=np.int32))
        places, marks = zip(*(self.figure.place(track.pose) for track in tracks), strict=True)
        xyz, filled = np.stack(places), np.stack(marks)
        radii = np.where(filled, _FILLED_SIZE, 1.0) * self._radii
        tones = np.stack([self._person_tones(track.person) for track in tracks])
        tones = np.where(filled[..., None], tones[:, :, 1], tones[:, :, 0])
        shapes = None
        if uncertainty:
            shapes = radii[..., None, None] * np.eye(3)
            joints = tracks[0].pose.cov.shape[0]
            cov = np.stack([track.pose.cov for track in tracks])
            shapes[:, :joints] = _ellipsoids(cov, shapes[:, :joints])
        parts = [_ball_corners(balls, xyz, radii, tones, shapes) for balls in self._balls]
        thickness = _THIN_TUBE if uncertainty else _TUBE
        parts += [_tube_corners(tubes, xyz, thickness * radii, filled, tones) for tubes in self._tubes]
        vertices, normals, colours = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        first = vertices.shape[1] * np.arange(people, dtype=np.int32)[:, None, None]
        triangles = (self._triangles + first).reshape(-1, 3)
        return Mesh(vertices.reshape(-1, 3), normals.reshape(-1, 3), colours.reshape(-1, 3), triangles)

    def _person_tones(self, person: int) -> Float64[np.ndarray, "D 2 3"]:
        """The colour of each joint of a person where it is measured, and where it is filled."""
        if person not in self._tones:
            if len(self._tones) > 200:
                self._tones.clear()
            measured = [side_colour(person_colour(person), name) for name in self.figure.joints]
            self._tones[person] = np.array([[tone, blend(tone, _FILLED_TONE, 0.75)] for tone in measured])
        return self._tones[person]


_Parts = tuple[Float64[np.ndarray, "P V 3"], Float64[np.ndarray, "P V 3"], Float64[np.ndarray, "P V 3"]]


def _ball_corners(
    balls: _Balls,
    xyz: Float64[np.ndarray, "P D 3"],
    radii: Float64[np.ndarray, "P D"],
    tones: Float64[np.ndarray, "P D 3"],
    shapes: Float64[np.ndarray, "P D 3 3"] | None,
) -> _Parts:
    """Vertices, normals and colours; `shapes` deform the balls of `radii` (m) where they are given."""
    people, corners = len(xyz), balls.corners
    at = xyz[:, balls.joints, None]
    if shapes is None:
        vertices = at + radii[:, balls.joints, None, None] * corners
        outward = np.broadcast_to(corners, vertices.shape)
    else:
        shape = shapes[:, balls.joints]
        vertices = at + corners @ np.swapaxes(shape, -1, -2)
        outward = corners @ np.linalg.inv(shape)
        outward = outward / np.linalg.norm(outward, axis=-1, keepdims=True)
    vertices = np.where(np.isfinite(at), vertices, 0.0)
    colours = np.repeat(tones[:, balls.joints], len(corners), axis=1)
    return vertices.reshape(people, -1, 3), outward.reshape(people, -1, 3), colours


def _tube_corners(
    tubes: _Tubes,
    xyz: Float64[np.ndarray, "P D 3"],
    radii: Float64[np.ndarray, "P D"],
    filled: Bool[np.ndarray, "P D"],
    tones: Float64[np.ndarray, "P D 3"],
) -> _Parts:
    """Vertices, normals and colours."""
    people, sides = len(xyz), len(tubes.ring)
    a, b = tubes.bones[:, 0], tubes.bones[:, 1]
    along = xyz[:, b] - xyz[:, a]
    length = np.sqrt(np.sum(along * along, axis=-1, keepdims=True))
    known = length > 1e-6
    axis = np.where(known, along / np.where(known, length, 1.0), [0.0, 0.0, 1.0])
    helper = np.where(np.abs(axis[..., 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    u = np.cross(axis, helper)
    u /= np.sqrt(np.sum(u * u, axis=-1, keepdims=True))
    around = tubes.ring[:, :1] * u[:, :, None] + tubes.ring[:, 1:] * np.cross(axis, u)[:, :, None]
    thin = filled[:, a] | filled[:, b]  # a limb that is filled at one end is thin from end to end
    least = np.minimum(radii[:, a], radii[:, b])
    start = np.where(thin, least, radii[:, a])[..., None, None] * around + xyz[:, a, None]
    end = np.where(thin, least, radii[:, b])[..., None, None] * around + xyz[:, b, None]
    vertices = np.where(known[..., None], np.concatenate([start, end], axis=2), 0.0)
    normals = np.concatenate([around, around], axis=2)
    bone_tones = np.where((filled[:, a] & ~filled[:, b])[..., None], tones[:, a], tones[:, b])
    colours = np.repeat(bone_tones, 2 * sides, axis=1)
    return vertices.reshape(people, -1, 3), normals.reshape(people, -1, 3), colours


def _ring(sides: int) -> Float64[np.ndarray, "S 2"]:
    angle = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _ellipsoids(
    cov: Float64[np.ndarray, "*P J 3 3"], otherwise: Float64[np.ndarray, "*P J 3 3"]
) -> Float64[np.ndarray, "*P J 3 3"]:
    """Maps from the unit ball to the 90 % ellipsoid of each covariance (m^2)."""
    good = np.isfinite(cov).all(axis=(-2, -1))[..., None, None]
    values, vectors = np.linalg.eigh(np.where(good, cov, np.eye(3)))
    roots = _ELLIPSOID_90 * np.sqrt(np.clip(values, 1e-6, 1.0))  # between a millimetre and a metre
    return np.where(good, vectors * roots[..., None, :] @ np.swapaxes(vectors, -1, -2), otherwise)


def _icosahedron() -> tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"]]:
    """A ball of 12 vertices and 20 triangles."""
    g = (1 + 5**0.5) / 2
    corners: list[tuple[float, float, float]] = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g)]
    corners += [(0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6)]
    faces += [(7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10)]
    faces += [(8, 6, 7), (9, 8, 1)]
    return np.array(corners) / np.hypot(1, g), np.array(faces, dtype=np.int32)


def _octahedron() -> tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"]]:
    """A ball of 6 vertices and 8 triangles."""
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    faces = [(0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2), (1, 0, 5), (3, 1, 5), (4, 3, 5), (0, 4, 5)]
    return corners, np.array(faces, dtype=np.int32)


def _octasphere() -> tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"]]:
    """A ball of 18 vertices and 32 triangles."""
    return _rounder(*_octahedron())


def _icosphere() -> tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"]]:
    """A ball of 42 vertices and 80 triangles."""
    return _rounder(*_icosahedron())


def _rounder(
    corners: Float64[np.ndarray, "V 3"], faces: Int32[np.ndarray, "T 3"]
) -> tuple[Float64[np.ndarray, "W 3"], Int32[np.ndarray, "S 3"]]:
    """A ball with every triangle cut in four."""
    points = list(corners)
    middles: dict[tuple[int, int], int] = {}

    def middle(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in middles:
            middles[key] = len(points)
            point = points[a] + points[b]
            points.append(point / np.linalg.norm(point))
        return middles[key]

    triangles = []
    for a, b, c in faces.tolist():
        ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
        triangles += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.array(points), np.array(triangles, dtype=np.int32)
