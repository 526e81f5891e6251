"""A calibration board with known truth: how it moves, which corners each camera measures of it, and its pictures.

Letters in shapes: F frames, N corners on the board, M measured corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from multiview.cameras.camera import Camera, Rig
from multiview.geometry.rigid import nearest_rotation, rotation_from_vector

__all__ = ["MeasuredCorners", "measure", "paint", "placed_at_random", "render", "ring", "waved"]

Poses = tuple[Float64[np.ndarray, "F 3 3"], Float64[np.ndarray, "F 3"]]
PosesOfEach = list[tuple[Float64[np.ndarray, "_ 3 3"], Float64[np.ndarray, "_ 3"]]]  # cameras take as many as they do


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCorners:
    """One row per corner that a camera saw; `outlier` says which were thrown off, as no real detector would."""

    camera: Int64[np.ndarray, " M"]
    frame: Int64[np.ndarray, " M"]
    corner: Int64[np.ndarray, " M"]
    xy: Float64[np.ndarray, "M 2"]
    outlier: Bool[np.ndarray, " M"]


def ring(
    cameras: int = 6,
    radius: float = 4.0,
    size: tuple[int, int] = (1920, 1080),
    focal: float = 1100.0,
    dist: tuple[float, ...] = (-0.12, 0.05, 8e-4, -6e-4, -0.01),
    rng: np.random.Generator | None = None,
    model: str = "pinhole",
) -> Rig:
    """Cameras evenly on a circle (m), 1.5 to 2.5 m up, looking at its middle; lenses differ by a few percent."""
    rng = rng or np.random.default_rng(0)
    made = []
    for i in range(cameras):
        angle = 2 * np.pi * i / cameras + rng.normal(0, 0.05)
        centre = np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(1.5, 2.5)])
        R = _looking_at(centre, np.array([0, 0, 1.0]) + rng.normal(0, 0.1, 3))
        f, c = focal * rng.uniform(0.95, 1.05), np.array(size) / 2 - 0.5 + rng.normal(0, 8, 2)
        K = np.array([[f, 0, c[0]], [0, f * rng.uniform(0.998, 1.002), c[1]], [0, 0, 1]])
        lens = np.array(dist) * rng.uniform(0.8, 1.2, len(dist))
        name = f"cam{i + 1:02d}"
        fisheye = model == "fisheye"
        made.append(Camera(name, size, K, lens, R, -R @ centre, "fisheye" if fisheye else "pinhole"))
    return Rig(tuple(made))


def placed_at_random(
    frames: int, rng: np.random.Generator, reach: float = 1.0, headings: tuple[float, float] = (0.0, 2 * np.pi)
) -> Poses:
    """Boards (world_from_board) held anywhere within `reach` m of the middle, facing `headings` (rad), tilted."""
    heading, tilt, roll = rng.uniform(*headings, frames), rng.normal(0, 0.45, frames), rng.normal(0, 0.6, frames)
    R = np.stack([_facing(h, e, r) for h, e, r in zip(heading, tilt, roll, strict=True)])
    t = rng.uniform([-reach, -reach, 0.4], [reach, reach, 1.8], (frames, 3))
    return R, t


def waved(time: Float64[np.ndarray, " F"], rng: np.random.Generator, reach: float = 0.8) -> Poses:
    """A board waved by hand while its bearer turns: about 0.7 m/s and 1 rad/s, with accelerations as of an arm."""
    beats = rng.uniform([0.25, 0.3, 0.35], [0.4, 0.5, 0.6], (3, 3)) * 0.6  # Hz
    phase = rng.uniform(0, 2 * np.pi, (3, 3))

    def wave(row: int) -> Float64[np.ndarray, "F 3"]:
        slow = np.sin(2 * np.pi * beats[row] * time[:, None] + phase[row])
        return slow + 0.25 * np.sin(2 * np.pi * 2.7 * beats[row] * time[:, None] + 2 * phase[row])

    t = np.array([0, 0, 1.1]) + wave(0) * np.array([reach, reach, 0.5]) * 0.7
    heading = 2 * np.pi * 0.15 * time + 0.5 * wave(1)[:, 0] + phase[1, 0]
    tilts, rolls = 0.45 * wave(1)[:, 1], 0.5 * wave(2)[:, 0]
    return np.stack([_facing(h, e, r) for h, e, r in zip(heading, tilts, rolls, strict=True)]), t


def measure(
    rig: Rig,
    points: Float64[np.ndarray, "N 3"],
    poses: PosesOfEach,
    rng: np.random.Generator,
    sigma_px: float = 0.3,
    outliers: float = 0.0,
    steepest_deg: float = 70.0,
) -> MeasuredCorners:
    """What each camera measures; `poses[c]` are the board's poses (world_from_board) when camera c took its frames.

    Noise is Gaussian with `sigma_px` per axis; a share `outliers` lies 5 to 60 px off in any direction.
    Only a board seen from the front, less than `steepest_deg` from face on, with 6 corners in the picture, is found.
    """
    columns: list[tuple[np.ndarray, ...]] = []
    for c, camera in enumerate(rig.cameras):
        R, t = poses[c]
        in_world = points @ np.swapaxes(R, -1, -2) + t[:, None]
        xy = camera.project(in_world)
        towards = camera.centre - in_world.mean(axis=1)
        cosine = -np.einsum("fi,fi->f", R[:, :, 2], towards / np.linalg.norm(towards, axis=1, keepdims=True))
        inside = ((xy >= 0) & (xy <= np.array(camera.size) - 1)).all(axis=-1)  # NaN is outside
        inside &= (cosine > np.cos(np.deg2rad(steepest_deg)))[:, None]
        inside &= (inside.sum(axis=1) >= 6)[:, None]
        frame, corner = np.nonzero(inside)
        columns.append((np.full(len(frame), c), frame, corner, xy[inside]))
    camera_, frame, corner, xy = (np.concatenate(column) for column in zip(*columns, strict=True))
    xy = xy + rng.normal(0, sigma_px, xy.shape)
    outlier = rng.uniform(size=len(xy)) < outliers
    angle, far = rng.uniform(0, 2 * np.pi, outlier.sum()), rng.uniform(5, 60, outlier.sum())
    xy[outlier] += far[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return MeasuredCorners(camera_, frame, corner, xy, outlier)


def render(
    camera: Camera,
    texture: UInt8[np.ndarray, "H W"],
    width: float,
    R: Float64[np.ndarray, "3 3"],
    t: Float64[np.ndarray, " 3"],
    rng: np.random.Generator,
    blur_px: float = 0.7,
    noise: float = 2.0,
    sharper: int = 3,
) -> UInt8[np.ndarray, "h w"]:
    """The camera's picture of a board that bears a texture `width` m wide, at world_from_board (R, t).

    Each pixel is the mean of `sharper`^2 samples of the exact ray, then blurred, with noise in grey levels.
    """
    import cv2

    picture = np.full(camera.size[::-1], 118.0, dtype=np.float32)
    painted = paint(camera, texture, width, R, t, 118.0, sharper)
    if painted is not None:
        (x0, y0, x1, y1), patch = painted
        picture[y0:y1, x0:x1] = patch
    blurred = cv2.GaussianBlur(picture, (0, 0), blur_px) if blur_px > 0 else picture
    noisy = blurred + noise * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def paint(
    camera: Camera,
    texture: UInt8[np.ndarray, "H W"],
    width: float,
    R: Float64[np.ndarray, "3 3"],
    t: Float64[np.ndarray, " 3"],
    ground: float,
    sharper: int = 3,
    step: int = 1,
) -> tuple[tuple[int, int, int, int], Float32[np.ndarray, "h w"]] | None:
    """The part of a picture that shows the board, sharp and without noise.

    Args:
        camera: The camera.
        texture: What the board bears, `width` m wide.
        width: Of the texture, m.
        R: world_from_board.
        t: world_from_board, m.
        ground: Grey level around the board.
        sharper: Samples of a pixel along each axis.
        step: Rays are followed at every so many pixels, and interpolated; with 8 that is 0.01 px off at most.

    Returns:
        First and last column and row (x0 y0 x1 y1), and the grey levels in them; None if the board is not seen.
    """
    import cv2

    margin = round(0.05 * texture.shape[1])  # the paper around the board
    paper = np.pad(texture, margin, constant_values=255)
    per_m = texture.shape[1] / width
    box = _box(camera, paper.shape[1] / per_m, paper.shape[0] / per_m, margin / per_m, R, t)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    # Where rays meet the board's plane; between them that is as good as linear. One step more on each side.
    columns, rows = (
        np.arange(low - step, high + 2 * step, step) + (step - 1) / 2 for low, high in ((x0, x1), (y0, y1))
    )
    xy = np.stack(np.meshgrid(columns, rows), axis=-1)
    rays, from_board = camera.rays(xy) @ R, (camera.centre - t) @ R
    reach = -from_board[2] / rays[..., 2]
    on_board = from_board[:2] + reach[..., None] * rays[..., :2]
    # A paper no finer than the samples: shrinking it averages, skipping texels would not.
    texels = per_m * reach[1:-2, 1:-2].min() / (sharper * camera.K[0, 0])
    shrunk = 1 / max(texels, 1.0)
    paper = cv2.resize(paper, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    scale = np.array(paper.shape[::-1]) / (np.array(texture.shape[::-1]) + 2 * margin)
    places = ((on_board * per_m + margin) * scale - 0.5).astype(np.float32)
    every = step * sharper
    fine = cv2.resize(places, (every * len(columns), every * len(rows)), interpolation=cv2.INTER_LINEAR)
    fine = fine[every : every + sharper * (y1 - y0), every : every + sharper * (x1 - x0)]
    seen = cv2.remap(paper, fine[..., 0], fine[..., 1], cv2.INTER_LINEAR, borderValue=0).astype(np.float32)
    inside = cv2.remap(np.ones_like(paper), fine[..., 0], fine[..., 1], cv2.INTER_NEAREST, borderValue=0)
    grey = np.where(inside > 0, 25 + 190 / 255 * seen, ground).astype(np.float32)
    return box, cv2.resize(grey, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)


def _box(
    camera: Camera,
    width: float,
    height: float,
    margin: float,
    R: Float64[np.ndarray, "3 3"],
    t: Float64[np.ndarray, " 3"],
) -> tuple[int, int, int, int] | None:
    """The part of the picture that the paper may cover, None where the camera does not see its face."""
    x, y = np.meshgrid(np.linspace(-margin, width - margin, 9), np.linspace(-margin, height - margin, 9))
    points = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) @ R.T + t
    if (camera.centre - t) @ R[:, 2] > 0 or not np.isfinite(camera.project(points)).all():
        return None
    xy = camera.project(points)
    low = np.clip(np.floor(xy.min(axis=0)).astype(int) - 4, 0, camera.size)
    high = np.clip(np.ceil(xy.max(axis=0)).astype(int) + 5, 0, camera.size)
    if (high <= low + 1).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _looking_at(centre: Float64[np.ndarray, " 3"], target: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 3"]:
    """cam_from_world of a camera held level."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def _facing(heading: float, tilt: float, roll: float) -> Float64[np.ndarray, "3 3"]:
    """world_from_board of an upright board whose face looks along `heading`, then tilted and rolled (rad)."""
    away = -np.array([np.cos(heading), np.sin(heading), 0])  # the board's z points into the board
    upright = np.stack([np.cross([0, 0, -1.0], away), [0, 0, -1.0], away], axis=1)
    return (
        nearest_rotation(upright)
        @ rotation_from_vector(np.array([tilt, 0, 0]))
        @ rotation_from_vector(np.array([0, 0, roll]))
    )
