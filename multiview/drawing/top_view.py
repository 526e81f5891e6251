"""The room from above: floor grid, cameras with what they see, people and where they walked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.common.palette import RGB, blend, person_colour, side_colour
from multiview.data import Track
from multiview.drawing.overlay import draw_label
from multiview.drawing.stick_figure import stick_figure

__all__ = ["draw_top_view", "floor_extent"]

_SHIFT = 4
_CAMERA: RGB = (0.62, 0.70, 0.80)
_GROUND: RGB = (0.09, 0.10, 0.12)
_OVERSAMPLE = 2  # drawn larger, then averaged: lines of any width come out smooth
_SIGHT_M = 1.4  # length of a camera's field of view in the picture


@dataclass(frozen=True, slots=True)
class _Map:
    """From metres on the floor (x right, y up) to pixels of the enlarged picture."""

    low: Float64[np.ndarray, " 2"]
    scale: float
    height: int

    def __call__(self, points: Float64[np.ndarray, "*batch n"]) -> Float64[np.ndarray, "*batch 2"]:
        flat = (np.asarray(points)[..., :2] - self.low) * self.scale
        return np.stack([flat[..., 0], self.height - flat[..., 1]], axis=-1)


def floor_extent(rig: Rig, places: Float64[np.ndarray, "N d"], margin: float = 0.7) -> Float64[np.ndarray, "2 2"]:
    """Lowest and highest (x, y) in m around all cameras and `places` (whose first two columns count), with a margin."""
    centres = np.array([camera.centre[:2] for camera in rig.cameras])
    points = np.concatenate([centres, places[:, :2][np.isfinite(places[:, :2]).all(axis=1)]])
    return np.array([points.min(axis=0) - margin, points.max(axis=0) + margin])


def draw_top_view(
    rig: Rig,
    skeleton: Skeleton,
    tracks: Sequence[Track],
    trails: Mapping[int, Float64[np.ndarray, "N 2"]] | None = None,
    extent: Float64[np.ndarray, "2 2"] | None = None,
    width: int = 1000,
) -> UInt8[np.ndarray, "height width 3"]:
    """A BGR picture, x to the right and y up; `trails` are the places (m) where each person has been, oldest first."""
    trails = trails or {}
    if extent is None:
        places = [np.empty((0, 2)), *trails.values(), *(track.pose.xyz[:, :2] for track in tracks)]
        extent = floor_extent(rig, np.concatenate(places))
    span = extent[1] - extent[0]
    scale = width * _OVERSAMPLE / span[0]
    height = round(width * float(np.clip(span[1] / span[0], 0.25, 2.0)))
    to_pixel = _Map(extent[0], scale, height * _OVERSAMPLE)
    picture = np.full((height * _OVERSAMPLE, width * _OVERSAMPLE, 3), _bgr(_GROUND), dtype=np.uint8)
    _grid(picture, to_pixel, extent)
    for camera in rig.cameras:
        _field_of_view(picture, to_pixel, camera)
    for person, trail in trails.items():
        _trail(picture, to_pixel, trail, person_colour(person))
    for track in tracks:
        _person(picture, to_pixel, skeleton, track)
    for camera in rig.cameras:
        _camera(picture, to_pixel, camera)
    reduced = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _labels(reduced, to_pixel, rig, tracks)
    return reduced


def _grid(picture: UInt8[np.ndarray, "h w 3"], to_pixel: _Map, extent: Float64[np.ndarray, "2 2"]) -> None:
    """One line a metre; those through the origin brighter."""
    for axis in (0, 1):
        for metre in range(int(np.ceil(extent[0, axis])), int(np.floor(extent[1, axis])) + 1):
            ends = extent.copy()
            ends[:, axis] = metre
            colour = (0.34, 0.38, 0.44) if metre == 0 else (0.17, 0.19, 0.22)
            _polyline(picture, to_pixel(ends), colour, 2 if metre else 3)


def _field_of_view(picture: UInt8[np.ndarray, "h w 3"], to_pixel: _Map, camera: Camera) -> None:
    wedge = to_pixel(_wedge(camera, _SIGHT_M))
    layer = picture.copy()
    cv2.fillPoly(layer, [_fixed(wedge)], _bgr(blend(_GROUND, _CAMERA, 0.8)), cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(layer, 0.18, picture, 0.82, 0.0, dst=picture)


def _camera(picture: UInt8[np.ndarray, "h w 3"], to_pixel: _Map, camera: Camera) -> None:
    outline = to_pixel(_wedge(camera, 0.28))
    cv2.fillPoly(picture, [_fixed(outline)], _bgr(_CAMERA), cv2.LINE_AA, _SHIFT)


def _wedge(camera: Camera, length: float) -> Float64[np.ndarray, "3 2"]:
    """The horizontal opening of a camera: apex and two corners, m."""
    width, height = camera.size
    corners = np.array([[0.0, height / 2], [width - 1.0, height / 2]])
    rays = camera.rays(corners)[:, :2]
    if not np.isfinite(rays).all():
        rays = np.repeat(camera.R[2:, :2], 2, axis=0)
    rays = rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
    centre = camera.centre[:2]
    return np.stack([centre, centre + length * rays[0], centre + length * rays[1]])


def _trail(
    picture: UInt8[np.ndarray, "h w 3"], to_pixel: _Map, places: Float64[np.ndarray, "N 2"], colour: RGB
) -> None:
    """Fades towards the past; a gap stays a gap."""
    pixels = to_pixel(places)
    for i in range(1, len(pixels)):
        if np.isfinite(pixels[i - 1 : i + 1]).all():
            _polyline(picture, pixels[i - 1 : i + 1], blend(_GROUND, colour, 0.15 + 0.5 * i / len(pixels)), 4)


def _person(picture: UInt8[np.ndarray, "h w 3"], to_pixel: _Map, skeleton: Skeleton, track: Track) -> None:
    """Bones from the lowest to the highest, so that the head is on top; filled ones thinner and darker."""
    figure, colour = stick_figure(skeleton), person_colour(track.person)
    xyz, drawn_filled = figure.place(track.pose)
    pixels = to_pixel(xyz)
    bones = [(a, b) for a, b in figure.bones if np.isfinite(xyz[[a, b]]).all()]
    limb = max(3.0, 0.05 * to_pixel.scale)
    for a, b in sorted(bones, key=lambda bone: float(xyz[list(bone), 2].sum())):
        filled = bool(drawn_filled[a] or drawn_filled[b])
        tone = side_colour(colour, figure.joints[b])
        _polyline(picture, pixels[[a, b]], _GROUND, limb + 4)
        _polyline(
            picture, pixels[[a, b]], blend(tone, _GROUND, 0.35) if filled else tone, limb * (0.5 if filled else 1)
        )


def _labels(picture: UInt8[np.ndarray, "h w 3"], to_pixel: _Map, rig: Rig, tracks: Sequence[Track]) -> None:
    height, width = picture.shape[:2]
    for camera in rig.cameras:
        behind = camera.centre[:2] - 0.25 * camera.R[2, :2] / max(float(np.linalg.norm(camera.R[2, :2])), 1e-9)
        x, y = to_pixel(behind) / _OVERSAMPLE
        draw_label(picture, camera.name, (float(np.clip(x - 22, 6, width - 70)), float(np.clip(y + 4, 18, height - 8))))
    for track in tracks:
        seen = track.pose.xyz[np.isfinite(track.pose.xyz).all(axis=1)]
        if len(seen):
            x, y = to_pixel(seen.mean(axis=0)) / _OVERSAMPLE
            colour = person_colour(track.person)
            draw_label(
                picture, f"person {track.person}", (float(x) + 0.35 * to_pixel.scale / _OVERSAMPLE, float(y)), colour
            )
    metre = to_pixel.scale / _OVERSAMPLE
    y = height - 14
    cv2.line(picture, (14, y), (14 + round(metre), y), _bgr(_CAMERA), 2, cv2.LINE_AA)
    cv2.putText(picture, "1 m", (18, y - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _bgr(_CAMERA), 1, cv2.LINE_AA)


def _polyline(
    picture: UInt8[np.ndarray, "h w 3"], pixels: Float64[np.ndarray, "N 2"], colour: RGB, width: float
) -> None:
    cv2.polylines(picture, [_fixed(pixels)], False, _bgr(colour), max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _fixed(points: Float64[np.ndarray, "N 2"]) -> np.ndarray:
    return np.round(np.clip(points, -30000, 30000) * (1 << _SHIFT)).astype(np.int32)


def _bgr(colour: RGB) -> tuple[float, float, float]:
    return colour[2] * 255, colour[1] * 255, colour[0] * 255
