"""Films of a synthetic studio: what each camera of its rig would record, pixel by pixel, lens and all.

A scene is cast by a pinhole camera a little wider than the real one, then bent by the real one's lens. The room is the
same in every view: a textured floor and walls, lit by one lamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from multiview.cameras.camera import Camera, Rig
from multiview.synthetic.appearance import Appearance, sample_appearance
from multiview.synthetic.backdrop import backdrop
from multiview.synthetic.body import Figure, build_figure
from multiview.synthetic.rendered_image import draw_figures, in_camera

__all__ = ["Film", "Poster"]

ROOM_M = 6.0  # half the room's width
HEIGHT_M = 3.6
NOISE = 3.0  # of 255, of the sensor


class Poster(NamedTuple):
    """A flat picture in the room, as a calibration board is: x right and y down on it, from its top left corner.

    `texture` grey; `pixels_per_m`; `R`, `t` world_from_poster, m.
    """

    texture: UInt8[np.ndarray, "h w"]
    pixels_per_m: float
    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, " 3"]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One camera's pinhole twin, where its pixels come from in it, and the empty room as it sees it."""

    K: Float64[np.ndarray, "3 3"]
    size: tuple[int, int]
    source: tuple[Float32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]
    room: Float32[np.ndarray, "h w 3"]
    light: Float64[np.ndarray, "4 3"]


class Film:
    """Pictures of people on HALPE-26 joints; everything follows from the seed, so separate processes agree.

    `joints` (F, P, 26, 3) m, NaN where someone is absent; `hands` (F, P, 42, 3) m, the joints `body.HANDS`.
    """

    def __init__(
        self,
        rig: Rig,
        joints: Float64[np.ndarray, "F P 26 3"],
        seed: int = 0,
        hands: Float64[np.ndarray, "F P 42 3"] | None = None,
    ) -> None:
        self.rig, self.joints, self.seed, self.hands = rig, joints, seed, hands
        rng = np.random.default_rng((seed, 1))
        self.appearances: list[Appearance] = [sample_appearance(rng) for _ in range(joints.shape[1])]
        self.stature = [_stature(joints[:, person]) for person in range(joints.shape[1])]
        self._walls = [_texture(rng, bright) for bright in (0.35, 0.7, 0.65, 0.8)]
        self._views: dict[int, _View] = {}

    def picture(self, camera: int, frame: int, poster: Poster | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """What a camera records of a frame, BGR; without people where the frame is negative."""
        view = self._view(camera)
        cam = self.rig.cameras[camera]
        image = view.room.copy()
        if poster is not None:
            _draw_poster(image, view.K, cam, poster)
        figures = [
            in_camera(self._figure(frame, person), cam.R, cam.t)
            for person in range(self.joints.shape[1])
            if frame >= 0 and np.isfinite(self.joints[frame, person]).all()
        ]
        if figures:
            draw_figures(figures, len(figures), view.light, view.K, image)
        bent = cv2.remap(image, *view.source, cv2.INTER_LINEAR)
        rng = np.random.default_rng((self.seed, 2 if frame >= 0 else 3, camera, abs(frame)))
        out = np.clip(bent * 255, 0, 255) + rng.standard_normal(bent.shape[:2], dtype=np.float32)[..., None] * NOISE
        return np.ascontiguousarray(np.clip(out, 0, 255).astype(np.uint8)[..., ::-1])

    def _figure(self, frame: int, person: int) -> Figure:
        hands = None if self.hands is None else self.hands[frame, person]
        return build_figure(self.joints[frame, person], self.appearances[person], self.stature[person], hands)

    def _view(self, camera: int) -> _View:
        if camera not in self._views:
            self._views[camera] = _make_view(self.rig.cameras[camera], self._walls)
        return self._views[camera]


def _stature(joints: Float64[np.ndarray, "F 26 3"]) -> float:
    """From the bones' own lengths, whatever the pose: thigh and shank are 0.488 of the stature (as in `postures`)."""
    leg = np.linalg.norm(joints[:, 11] - joints[:, 13], axis=-1) + np.linalg.norm(
        joints[:, 13] - joints[:, 15], axis=-1
    )
    return float(np.nanmedian(leg) / 0.488)


def _texture(rng: np.random.Generator, brightness: float) -> Float32[np.ndarray, "512 512 3"]:
    """Something muted for a wall."""
    picture = cv2.GaussianBlur(backdrop(rng, 512, 512), (0, 0), 1.5)
    return np.asarray(brightness * (0.55 + 0.45 * picture), np.float32)


def _make_view(camera: Camera, walls: list[Float32[np.ndarray, "512 512 3"]]) -> _View:
    width, height = camera.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    ideal = camera.undistort(np.stack([x, y], axis=-1))
    focal = np.array([camera.K[0, 0], camera.K[1, 1]])
    low, high = np.nanmin(ideal, axis=(0, 1)) * focal, np.nanmax(ideal, axis=(0, 1)) * focal
    size = np.ceil(high - low).astype(int) + 3
    centre = 1 - low
    K = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
    source = (ideal * focal + centre).astype(np.float32)
    u, v = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.stack([(u - centre[0]) / focal[0], (v - centre[1]) / focal[1], np.ones_like(u, float)], -1) @ camera.R
    lamp = np.array([0.35, 0.25, 0.9])
    light = np.stack([camera.R @ (lamp / np.linalg.norm(lamp)), np.full(3, 0.6), np.full(3, 0.5), camera.R[:, 2]])
    maps = (np.ascontiguousarray(source[..., 0]), np.ascontiguousarray(source[..., 1]))
    return _View(K, (int(size[0]), int(size[1])), maps, _room(camera.centre, rays, walls), light)


def _room(
    eye: Float64[np.ndarray, " 3"],
    rays: Float64[np.ndarray, "h w 3"],
    walls: list[Float32[np.ndarray, "512 512 3"]],
) -> Float32[np.ndarray, "h w 3"]:
    """The empty room along rays (world axes) from a place in it: floor, two pairs of walls, ceiling."""
    low, high = np.array([-ROOM_M, -ROOM_M, 0.0]), np.array([ROOM_M, ROOM_M, HEIGHT_M])
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(rays > 0, (high - eye) / rays, (low - eye) / rays)
    side = np.nanargmin(np.where(reach > 0, reach, np.inf), axis=-1)
    where = eye + rays * np.take_along_axis(reach, side[..., None], -1)
    image = np.empty(rays.shape, np.float32)
    for axis, (first, second) in enumerate(((1, 2), (0, 2), (0, 1))):
        for up in (False, True):
            mask = (side == axis) & ((rays[..., axis] > 0) == up)
            texture = walls[3 if axis == 2 and up else 0 if axis == 2 else 1 + axis]
            place = where[mask]
            column = ((place[:, first] + ROOM_M) / (2 * ROOM_M) * 511).clip(0, 511).astype(int)
            row = ((place[:, second] + (ROOM_M if axis == 2 else 0)) / (2 * ROOM_M) * 511).clip(0, 511).astype(int)
            image[mask] = texture[row, column]
    return image


def _draw_poster(
    image: Float32[np.ndarray, "h w 3"], K: Float64[np.ndarray, "3 3"], camera: Camera, poster: Poster
) -> None:
    """Warp a poster into the picture; from behind it is a grey sheet."""
    R, t = camera.R @ poster.R, camera.R @ poster.t + camera.t
    height, width = poster.texture.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) / poster.pixels_per_m
    if ((corners @ R[:, :2].T + t)[:, 2] < 0.2).any():
        return
    metres = np.array(
        [
            [1 / poster.pixels_per_m, 0, 0.5 / poster.pixels_per_m],
            [0, 1 / poster.pixels_per_m, 0.5 / poster.pixels_per_m],
            [0, 0, 1],
        ]
    )
    H = K @ np.column_stack([R[:, 0], R[:, 1], t]) @ metres
    grey = poster.texture if R[:, 2] @ t > 0 else np.full_like(poster.texture, 120)
    size = (image.shape[1], image.shape[0])
    drawn = cv2.warpPerspective(grey.astype(np.float32) / 255 * 0.9, H, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(np.ones_like(grey, np.float32), H, size, flags=cv2.INTER_LINEAR)
    image[:] = image * (1 - mask[..., None]) + drawn[..., None]
