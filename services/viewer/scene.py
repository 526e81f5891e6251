"""Content of the viewer as arrays of vertices: people, trails, names, floor, cameras, the line at the top."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int32

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.common.palette import RGB, person_colour
from multiview.data import Keypoints2D, Track
from multiview.drawing.camera_shape import frustum, level_from_world
from multiview.drawing.mesh import Mesh, PeopleMesh
from services.viewer.text import GROUND

__all__ = ["STATE_COLOURS", "Lines", "Scene", "Text", "Triangles", "centre"]

# Vertices (m), triangles as indices of them, colours of the vertices.
Triangles = tuple[Float64[np.ndarray, "V 3"], Int32[np.ndarray, "T 3"], Float64[np.ndarray, "V 3"]]

# Points (m), pairs of them, one colour.
Piece = tuple[Float64[np.ndarray, "_ 3"], list[tuple[int, int]], RGB]

STATE_COLOURS: dict[str, RGB] = {
    "alive": (0.45, 0.78, 0.55),
    "late": (0.96, 0.76, 0.30),
    "missing": (0.94, 0.38, 0.36),
    "": (0.55, 0.62, 0.72),
}
TRAIL_POINTS, TRAIL_STEP_M = 50, 0.05  # a trail shows the last metres of a person's way
_FRUSTUM_M = 0.32
_TRAIL_M = 0.018  # half the width of a trail
_QUAD = np.array([[0, 1, 2], [1, 3, 2]])  # of the four corners between two points of a trail
_RAY: RGB = (0.50, 0.50, 0.34)


@dataclass(frozen=True, slots=True)
class Lines:
    """Line segments: points (m), pairs of indices, one colour for each pair."""

    points: Float64[np.ndarray, "N 3"]
    pairs: Int32[np.ndarray, "M 2"]
    colours: Float64[np.ndarray, "M 3"]

    @staticmethod
    def join(parts: Sequence[Piece]) -> Lines:
        points, pairs, colours, count = [np.empty((0, 3))], [np.empty((0, 2), dtype=np.int32)], [np.empty((0, 3))], 0
        for piece, ends, colour in parts:
            points.append(piece)
            pairs.append(np.array(ends, dtype=np.int32).reshape(-1, 2) + count)
            colours.append(np.tile(np.array(colour, dtype=np.float64), (len(ends), 1)))
            count += len(piece)
        return Lines(np.concatenate(points), np.concatenate(pairs).astype(np.int32), np.concatenate(colours))


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text at a place in the world (m)."""

    text: str
    place: Float64[np.ndarray, " 3"]
    colour: RGB


@dataclass(slots=True)
class Scene:
    """The changing content of the viewer; `version` increases with every new instant."""

    rig: Rig
    skeleton: Skeleton
    fine: bool = False
    volume: Float64[np.ndarray, "2 3"] | None = None  # lowest and highest corner, m
    tracks: tuple[Track, ...] = ()
    names: dict[int, str] = field(default_factory=dict)
    camera_states: dict[str, str] = field(default_factory=dict)
    uncertainty: bool = False
    rays_of: tuple[Mapping[str, Keypoints2D], Track] | None = None  # one person, and what the cameras saw
    trails: dict[int, deque[Float64[np.ndarray, " 3"]]] = field(default_factory=dict)
    version: int = 0
    _crowd: PeopleMesh = field(init=False)
    _frusta: dict[str, tuple[Float64[np.ndarray, "6 3"], list[tuple[int, int]]]] = field(init=False)
    _up: Float64[np.ndarray, " 3"] = field(init=False)

    def __post_init__(self) -> None:
        self._crowd = PeopleMesh(self.skeleton, self.fine)
        self._frusta = {camera.name: frustum(camera, _FRUSTUM_M) for camera in self.rig.cameras}
        self._up = np.linalg.inv(level_from_world(self.rig))[:, 2]

    def move(self, tracks: tuple[Track, ...]) -> None:
        """Everyone at a new instant; the same tuple again is the same instant. A trail ends when its person is gone."""
        if tracks is self.tracks:
            return
        self.tracks = tracks
        self.version += 1
        present = {track.person for track in tracks}
        self.trails = {person: trail for person, trail in self.trails.items() if person in present}
        for track in tracks:
            at = centre(track)
            trail = self.trails.setdefault(track.person, deque(maxlen=TRAIL_POINTS))
            if np.isfinite(at).all() and not (trail and np.linalg.norm(at - trail[-1]) < TRAIL_STEP_M):
                trail.append(at)

    def people(self) -> Mesh:
        return self._crowd.mesh(self.tracks, self.uncertainty)

    def trails_ribbon(self) -> Triangles:
        """Where each person's middle was, a ribbon on the floor where there is one, fading towards the past."""
        vertices, triangles, colours, count = [np.empty((0, 3))], [np.empty((0, 3), np.int32)], [np.empty((0, 3))], 0
        for track in self.tracks:
            trail = self.trails.get(track.person, ())
            now = centre(track)
            points = np.array([*trail, now] if np.isfinite(now).all() else [*trail]).reshape(-1, 3)
            if len(points) < 2:
                continue
            if self.rig.world != "camera":
                points[:, 2] = 0.01
            along = np.empty_like(points)
            along[1:-1], along[0], along[-1] = points[2:] - points[:-2], points[1] - points[0], points[-1] - points[-2]
            across = np.cross(self._up, along)
            across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9) / _TRAIL_M
            vertices.append(np.stack([points - across, points + across], axis=1).reshape(-1, 3))
            share = np.repeat(np.linspace(0.0, 0.7, len(points)), 2)[:, None]
            colours.append(np.array(GROUND) * (1 - share) + np.array(person_colour(track.person)) * share)
            first = count + 2 * np.arange(len(points) - 1)[:, None, None]
            triangles.append((first + _QUAD).reshape(-1, 3).astype(np.int32))
            count += 2 * len(points)
        return np.concatenate(vertices), np.concatenate(triangles), np.concatenate(colours)

    def room_lines(self) -> Lines:
        """What never changes: the floor's grid and the capture volume."""
        parts = floor_grid(self.rig) if self.rig.world != "camera" else []
        return Lines.join(parts if self.volume is None else [*parts, box(self.volume)])

    def camera_lines(self, hidden: str = "") -> Lines:
        """The cameras in the colour of their state, but for the `hidden` one."""
        return Lines.join(
            [(*shape, self._state_colour(name)) for name, shape in self._frusta.items() if name != hidden]
        )

    def ray_lines(self) -> Lines:
        """From each camera along what it saw, for the person of its picture who is nearest to the one of `rays_of`."""
        if self.rays_of is None:
            return Lines.join([])
        views, person = self.rays_of
        pieces: list[Piece] = []
        for camera in self.rig.cameras:
            keypoints = views.get(camera.name)
            if keypoints is None or not keypoints.people or keypoints.xy.shape[1:] != person.pose.xyz[:, :2].shape:
                continue
            offset = np.linalg.norm(keypoints.xy - camera.project(person.pose.xyz), axis=2)
            mean = np.where(np.isfinite(offset), np.minimum(offset, 200.0), 200.0).mean(axis=1)
            nearest = int(np.argmin(mean))
            if mean[nearest] > 150.0:
                continue
            reach = np.linalg.norm(person.pose.xyz - camera.centre, axis=1, keepdims=True)
            ends = camera.centre + reach * camera.rays(keypoints.xy[nearest])
            ends = ends[np.isfinite(ends).all(axis=1)]
            pairs = [(0, i + 1) for i in range(len(ends))]
            pieces.append((np.concatenate([camera.centre[None], ends]), pairs, _RAY))
        return Lines.join(pieces)

    def texts(self, hidden: str = "") -> list[Text]:
        """Names of people above their heads and of cameras, but for the `hidden` one, above them."""
        found = []
        for camera in self.rig.cameras:
            if camera.name == hidden:
                continue
            state = self.camera_states.get(camera.name, "")
            text = camera.name if state in ("", "alive") else f"{camera.name}: {state}"
            found.append(Text(text, camera.centre + 0.2 * self._up, self._state_colour(camera.name)))
        for track in self.tracks:
            seen = track.pose.xyz[np.isfinite(track.pose.xyz).all(axis=1)]
            if len(seen):
                middle = seen.mean(axis=0)
                place = middle + self._up * float((seen @ self._up).max() - middle @ self._up + 0.16)
                found.append(Text(self.names.get(track.person, f"{track.person}"), place, person_colour(track.person)))
        return found

    def _state_colour(self, camera: str) -> RGB:
        return STATE_COLOURS.get(self.camera_states.get(camera, ""), STATE_COLOURS[""])


def centre(track: Track) -> Float64[np.ndarray, " 3"]:
    """The middle of a person's known joints, m; NaN if there are none."""
    known = track.pose.xyz[np.isfinite(track.pose.xyz).all(axis=1)]
    middle: np.ndarray = known.mean(axis=0) if len(known) else np.full(3, np.nan)
    return middle


def floor_grid(rig: Rig) -> list[Piece]:
    """One line a metre around all cameras; the x axis red and the y axis green from the origin for one metre."""
    centres = np.array([camera.centre for camera in rig.cameras])
    low = np.clip(np.floor(centres[:, :2].min(axis=0) - 0.5), -30, 30)
    high = np.clip(np.ceil(centres[:, :2].max(axis=0) + 0.5), -30, 30)
    parts: list[Piece] = []
    for axis in (0, 1):
        for metre in np.arange(low[axis], high[axis] + 1):
            ends = np.zeros((2, 3))
            ends[:, axis] = metre
            ends[:, 1 - axis] = low[1 - axis], high[1 - axis]
            parts.append((ends, [(0, 1)], (0.44, 0.49, 0.56) if metre == 0 else (0.30, 0.33, 0.38)))
    for axis, colour in enumerate(((0.86, 0.33, 0.31), (0.36, 0.72, 0.38), (0.33, 0.53, 0.92))):
        ends = np.zeros((2, 3))
        ends[1, axis] = 0.5
        ends[:, 2] += 0.004
        parts.append((ends, [(0, 1)], colour))
    return parts


def box(corners: Float64[np.ndarray, "2 3"]) -> Piece:
    """The edges of a capture volume."""
    bits = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)])
    points = np.where(bits == 1, corners[1], corners[0])
    pairs = [(i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit]
    return points, pairs, (0.48, 0.42, 0.62)
