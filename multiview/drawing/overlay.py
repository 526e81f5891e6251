"""Skeletons drawn into camera pictures, with the floor where there is no picture.

Pictures are BGR uint8, as OpenCV reads them. Sizes in a picture follow from metres in the world, so that what is near
is drawn large; everything is anti-aliased and placed to a sixteenth of a pixel.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera
from multiview.common.palette import RGB, blend, person_colour, side_colour
from multiview.data import Keypoints2D, Track
from multiview.drawing.mesh import SMALL_M, joint_radii
from multiview.drawing.stick_figure import stick_figure

__all__ = ["draw_floor", "draw_keypoints", "draw_label", "draw_skeletons", "empty_picture"]

Picture = UInt8[np.ndarray, "height width 3"]

_SHIFT = 4  # OpenCV takes fractions of a pixel as integers with this many fractional bits
_LIMB_M = 0.045  # drawn thickness of a limb
_FINE_LIMB_M = 0.012  # where joints crowd: hands and faces
_DARK: RGB = (0.07, 0.08, 0.10)
_FAR_PX = 20000.0  # OpenCV's coordinates overflow well beyond this


def empty_picture(width: int, height: int) -> Picture:
    """A dark ground, a little lighter towards the top."""
    rows = np.linspace(1.0, 0.0, height)[:, None]
    ground = (1 - rows) * np.array([24.0, 20.0, 18.0]) + rows * np.array([46.0, 39.0, 34.0])
    return np.repeat(ground[:, None, :], width, axis=1).astype(np.uint8)


def draw_floor(picture: Picture, camera: Camera, extent: Float64[np.ndarray, "2 2"], step: float = 1.0) -> None:
    """Grid lines of the floor z = 0 over `extent` ((x, y) lowest, highest; m), one every `step` m."""
    low, high = np.floor(extent[0] / step) * step, np.ceil(extent[1] / step) * step
    for axis in (0, 1):
        along = np.arange(low[1 - axis], high[1 - axis] + step / 16, step / 8)
        for place in np.arange(low[axis], high[axis] + step / 2, step):
            points = np.zeros((len(along), 3))
            points[:, axis], points[:, 1 - axis] = place, along
            colour = (0.36, 0.40, 0.46) if abs(place) < step / 2 else (0.25, 0.28, 0.33)
            pixels = _visible(camera, points)
            for start, end in itertools.pairwise(pixels):
                _line(picture, start, end, colour, 1.0)


def draw_skeletons(picture: Picture, camera: Camera, skeleton: Skeleton, tracks: Sequence[Track]) -> None:
    """Everyone as seen by `camera`, the furthest first.

    A measured joint is a disc and its bones are solid; a filled joint is a ring and its bones are dashed. A person's
    own left is lighter, their right darker.
    """
    depth = [np.nanmean(track.pose.xyz @ camera.R[2]) if np.isfinite(track.pose.xyz).any() else 0.0 for track in tracks]
    for i in np.argsort(depth)[::-1]:
        _draw_skeleton(picture, camera, skeleton, tracks[int(i)])


def _draw_skeleton(picture: Picture, camera: Camera, skeleton: Skeleton, track: Track) -> None:
    figure = stick_figure(skeleton)
    xyz, filled = figure.place(track.pose)
    pixels = _visible(camera, xyz)
    colour = person_colour(track.person)
    limb, fine = _thickness(camera, xyz, _LIMB_M), _thickness(camera, xyz, _FINE_LIMB_M)
    small = joint_radii(figure.joints) <= SMALL_M if len(skeleton.joints) > 40 else np.zeros(len(xyz), dtype=bool)
    thick = np.where(small, fine, limb)
    bones = [(a, b) for a, b in figure.bones if np.isfinite(pixels[[a, b]]).all()]
    for a, b in bones:  # dark edges under everything, so that crossing limbs stay apart
        if not (filled[a] or filled[b]):
            _line(picture, pixels[a], pixels[b], _DARK, min(1.6 * thick[b], thick[b] + 3))
    for a, b in bones:
        tone = side_colour(colour, figure.joints[b])
        if filled[a] or filled[b]:
            _dashed(picture, pixels[a], pixels[b], blend(tone, _DARK, 0.25), max(1.0, thick[b] * 0.45))
        else:
            _line(picture, pixels[a], pixels[b], tone, thick[b])
    for joint, name in enumerate(figure.joints):
        if np.isfinite(pixels[joint]).all():
            tone = side_colour(colour, name)
            radius = max(1.5, thick[joint] * 0.62)
            _disc(picture, pixels[joint], min(1.5 * radius, radius + 1.2), _DARK)
            _disc(picture, pixels[joint], radius, tone)
            if filled[joint]:
                _disc(picture, pixels[joint], radius * 0.55, _DARK)
    _name(picture, pixels, track.person, colour)


def draw_keypoints(picture: Picture, keypoints: Keypoints2D, colour: RGB = (0.92, 0.92, 0.95)) -> None:
    """What a detector found: a small cross for every joint, fainter where it is less sure."""
    ground = picture.copy()
    for xy, score in zip(keypoints.xy.reshape(-1, 2), keypoints.score.ravel(), strict=True):
        if score > 0 and np.isfinite(xy).all() and np.abs(xy).max() < _FAR_PX:
            tone = blend(_DARK, colour, 0.4 + 0.6 * min(float(score), 1.0))
            for step in (np.array([3.0, 3.0]), np.array([3.0, -3.0])):
                _line(ground, xy - step, xy + step, tone, 1.0)
    cv2.addWeighted(ground, 0.75, picture, 0.25, 0.0, dst=picture)


def draw_label(
    picture: Picture, text: str, at: tuple[float, float], colour: RGB = (0.85, 0.88, 0.92), scale: float = 0.5
) -> None:
    """Text with its lower left corner at `at` (px), on a dark plate."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y, pad = round(at[0]), round(at[1]), 5
    top, bottom = max(y - height - pad, 0), min(y + pad, picture.shape[0])
    left, right = max(x - pad, 0), min(x + width + pad, picture.shape[1])
    if top >= bottom or left >= right:
        return
    plate = picture[top:bottom, left:right]
    plate[:] = (plate * 0.35).astype(np.uint8)
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _bgr(colour), 1, cv2.LINE_AA)


def _name(picture: Picture, pixels: Float64[np.ndarray, "J 2"], person: int, colour: RGB) -> None:
    seen = pixels[np.isfinite(pixels).all(axis=1)]
    if len(seen):
        top = seen[np.argmin(seen[:, 1])]
        height, width = picture.shape[:2]
        if 0 <= top[0] < width and -20 <= top[1] < height:
            draw_label(picture, f"person {person}", (float(top[0]) - 34, max(float(top[1]) - 16, 16)), colour, 0.45)


def _visible(camera: Camera, points: Float64[np.ndarray, "N 3"]) -> Float64[np.ndarray, "N 2"]:
    """Pixels; NaN behind the camera, and so far outside the picture that drawing would overflow."""
    pixels = camera.project(points)
    pixels[~(np.abs(pixels).max(axis=1) < _FAR_PX)] = np.nan
    return pixels


def _thickness(camera: Camera, xyz: Float64[np.ndarray, "J 3"], metres: float) -> float:
    depth = xyz @ camera.R[2] + camera.t[2]
    depth = depth[np.isfinite(depth) & (depth > 0)]
    if not len(depth):
        return 2.0
    return float(np.clip(metres * camera.K[0, 0] / np.median(depth), 2.0, 40.0))


def _bgr(colour: RGB) -> tuple[float, float, float]:
    return colour[2] * 255, colour[1] * 255, colour[0] * 255


def _fixed(point: Float64[np.ndarray, " 2"]) -> tuple[int, int]:
    return round(float(point[0]) * (1 << _SHIFT)), round(float(point[1]) * (1 << _SHIFT))


def _line(
    picture: Picture, a: Float64[np.ndarray, " 2"], b: Float64[np.ndarray, " 2"], colour: RGB, width: float
) -> None:
    if np.isfinite(a).all() and np.isfinite(b).all():
        cv2.line(picture, _fixed(a), _fixed(b), _bgr(colour), max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _dashed(
    picture: Picture, a: Float64[np.ndarray, " 2"], b: Float64[np.ndarray, " 2"], colour: RGB, width: float
) -> None:
    """Dashes of equal length, about three widths, beginning and ending with one."""
    dashes = min(max(1, round(float(np.hypot(*(b - a))) / (6 * width))), 200)
    for i in range(dashes):
        start, end = 2 * i / (2 * dashes - 1), (2 * i + 1) / (2 * dashes - 1)
        _line(picture, a + start * (b - a), a + end * (b - a), colour, width)


def _disc(picture: Picture, centre: Float64[np.ndarray, " 2"], radius: float, colour: RGB) -> None:
    cv2.circle(picture, _fixed(centre), round(radius * (1 << _SHIFT)), _bgr(colour), -1, cv2.LINE_AA, _SHIFT)
