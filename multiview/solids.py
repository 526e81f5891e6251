"""People as solids: joints are balls, bones are cones between them. Arrays only; whoever has a window draws them.

The triangles of a figure never change, so they are made once for a number of places; each frame moves the vertices of
those that are taken. What is unknown or not taken shrinks to a point, which draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32

from multiview.data import Track
from multiview.palette import RGB, blend, person_colour, side_colour
from multiview.skeleton import Skeleton
from multiview.stick_figure import stick_figure

__all__ = ["Crowd", "Mesh", "joint_radii"]

_FINE_JOINTS = 40  # a figure of more joints than this has small ones, and simpler shapes do
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


class Crowd:
    """The solids of up to `places` people of one skeleton."""

    def __init__(self, skeleton: Skeleton, places: int) -> None:
        self.figure = stick_figure(skeleton)
        self.places = places
        self._bones = np.array(self.figure.bones, dtype=np.int64).reshape(-1, 2)
        self._radii = joint_radii(self.figure.joints)
        fine = len(self.figure.joints) > _FINE_JOINTS
        self._ball, ball_triangles = _icosahedron() if fine else _icosphere()
        sides = self._sides = 6 if fine else 10
        ring = 2 * np.pi * np.arange(sides) / sides
        self._ring = np.stack([np.cos(ring), np.sin(ring)], axis=1)
        side = np.arange(sides)
        after = (side + 1) % sides
        cone = np.concatenate(
            [np.stack([side, after, side + sides], 1), np.stack([after, after + sides, side + sides], 1)]
        )
        joints, bones = len(self.figure.joints), len(self._bones)
        self._per_person = joints * len(self._ball) + bones * 2 * sides
        person = np.concatenate(
            [ball_triangles + i * len(self._ball) for i in range(joints)]
            + [cone + joints * len(self._ball) + i * 2 * sides for i in range(bones)]
        )
        self.triangles = np.concatenate([person + i * self._per_person for i in range(places)]).astype(np.int32)

    def mesh(self, tracks: Sequence[Track], uncertainty: bool = False) -> Mesh:
        """Everyone, the first `places` of them; with `uncertainty` a joint's ball is its 90 % ellipsoid."""
        shape = (self.places, self._per_person, 3)
        vertices, normals, colours = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        normals[..., 2] = 1.0
        for place, track in enumerate(tracks[: self.places]):
            self._person(track, uncertainty, vertices[place], normals[place], colours[place])
        return Mesh(vertices.reshape(-1, 3), normals.reshape(-1, 3), colours.reshape(-1, 3), self.triangles)

    def _person(
        self,
        track: Track,
        uncertainty: bool,
        vertices: Float64[np.ndarray, "V 3"],
        normals: Float64[np.ndarray, "V 3"],
        colours: Float64[np.ndarray, "V 3"],
    ) -> None:
        xyz, filled = self.figure.place(track.pose)
        radii = np.where(filled, _FILLED_SIZE, 1.0) * self._radii
        tones = self._tones(person_colour(track.person), filled)
        shapes = radii[:, None, None] * np.eye(3)
        if uncertainty:
            shapes[: len(track.pose.xyz)] = _ellipsoids(track.pose.cov, shapes[: len(track.pose.xyz)])
        known = np.isfinite(xyz).all(axis=1)
        balls = np.where(known[:, None, None], xyz[:, None] + self._ball @ np.swapaxes(shapes, 1, 2), 0.0)
        split = balls.shape[0] * balls.shape[1]
        vertices[:split] = balls.reshape(-1, 3)
        outward = self._ball @ np.linalg.inv(shapes)
        normals[:split] = (outward / np.linalg.norm(outward, axis=2, keepdims=True)).reshape(-1, 3)
        colours[:split] = np.repeat(tones, len(self._ball), axis=0)
        self._cones(xyz, 0.72 * radii, filled, tones, vertices[split:], normals[split:], colours[split:])

    def _cones(
        self,
        xyz: Float64[np.ndarray, "D 3"],
        radii: Float64[np.ndarray, " D"],
        filled: Bool[np.ndarray, " D"],
        tones: Float64[np.ndarray, "D 3"],
        vertices: Float64[np.ndarray, "V 3"],
        normals: Float64[np.ndarray, "V 3"],
        colours: Float64[np.ndarray, "V 3"],
    ) -> None:
        a, b = self._bones[:, 0], self._bones[:, 1]
        along = xyz[b] - xyz[a]
        length = np.linalg.norm(along, axis=1)
        known = np.isfinite(length) & (length > 1e-6)
        axis = np.where(known[:, None], along / np.where(known, length, 1.0)[:, None], [0.0, 0.0, 1.0])
        helper = np.where(np.abs(axis[:, 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
        u = np.cross(axis, helper)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        around = self._ring[:, :1] * u[:, None] + self._ring[:, 1:] * np.cross(axis, u)[:, None]
        thin = np.minimum(radii[a], radii[b])  # a limb that is filled at one end is thin from end to end
        both = np.where(filled[a] | filled[b], thin, np.nan)
        start = np.where(np.isfinite(both), both, radii[a])[:, None, None] * around + xyz[a][:, None]
        end = np.where(np.isfinite(both), both, radii[b])[:, None, None] * around + xyz[b][:, None]
        cones = np.where(known[:, None, None], np.concatenate([start, end], axis=1), 0.0)
        vertices[:] = cones.reshape(-1, 3)
        normals[:] = np.concatenate([around, around], axis=1).reshape(-1, 3)
        bone_tones = np.where((filled[a] & ~filled[b])[:, None], tones[a], tones[b])
        colours[:] = np.repeat(bone_tones, 2 * self._sides, axis=0)

    def _tones(self, colour: RGB, filled: Bool[np.ndarray, " D"]) -> Float64[np.ndarray, "D 3"]:
        sides = [side_colour(colour, name) for name in self.figure.joints]
        return np.array([blend(tone, _FILLED_TONE, 0.75) if f else tone for tone, f in zip(sides, filled, strict=True)])


def _ellipsoids(
    cov: Float64[np.ndarray, "J 3 3"], otherwise: Float64[np.ndarray, "J 3 3"]
) -> Float64[np.ndarray, "J 3 3"]:
    """Maps from the unit ball to the 90 % ellipsoid of each covariance (m^2)."""
    good = np.isfinite(cov).all(axis=(1, 2))
    values, vectors = np.linalg.eigh(np.where(good[:, None, None], cov, np.eye(3)))
    roots = _ELLIPSOID_90 * np.sqrt(np.clip(values, 1e-6, 1.0))  # between a millimetre and a metre
    return np.where(good[:, None, None], vectors * roots[:, None] @ np.swapaxes(vectors, 1, 2), otherwise)


def _icosahedron() -> tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"]]:
    """A ball of 12 vertices and 20 triangles."""
    g = (1 + 5**0.5) / 2
    corners: list[tuple[float, float, float]] = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g)]
    corners += [(0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6)]
    faces += [(7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10)]
    faces += [(8, 6, 7), (9, 8, 1)]
    return np.array(corners) / np.hypot(1, g), np.array(faces, dtype=np.int32)


def _icosphere() -> tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"]]:
    """A ball of 42 vertices and 80 triangles: an icosahedron with every triangle cut in four."""
    corners, faces = _icosahedron()
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
