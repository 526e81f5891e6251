"""Pictures of balls with known truth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from multiview.cameras.camera import Camera

__all__ = ["paint_balls"]


def paint_balls(
    picture: Float32[np.ndarray, "H W"],
    camera: Camera,
    middles: Float64[np.ndarray, "N 3"],
    diameters: Float64[np.ndarray, " N"],
    light: tuple[float, float, float] = (0.3, 0.2, 0.93),
    sharper: int = 4,
) -> None:
    """Paint matt balls over a picture, sharp and without noise, those that are farther first.

    Args:
        picture: (H, W) grey levels, which change.
        camera: Whose picture it is.
        middles: (N, 3) m, in the world.
        diameters: (N,) m.
        light: Direction from which most of it comes; the side turned away is darker by half.
        sharper: Samples of a pixel along each axis.
    """
    away = middles - camera.centre
    far = np.linalg.norm(away, axis=1)
    fine = (np.arange(sharper) + 0.5) / sharper - 0.5
    for i in np.argsort(-far):
        radius = diameters[i] / 2
        with np.errstate(invalid="ignore"):
            xy = camera.project(middles[i])
        if not np.isfinite(xy).all():
            continue
        reach = 2.5 * radius / far[i] * camera.K[0, 0] + 3
        low = np.clip(np.floor(xy - reach), 0, camera.size).astype(int)
        high = np.clip(np.ceil(xy + reach) + 1, 0, camera.size).astype(int)
        if (high <= low).any():
            continue
        columns, rows = ((np.arange(a, b)[:, None] + fine).ravel() for a, b in zip(low, high, strict=True))
        rays = camera.rays(np.stack(np.meshgrid(columns, rows), axis=-1))
        along = rays @ away[i]
        inside = along**2 - far[i] ** 2 + radius**2  # of a ray that meets the ball
        normal = (rays * (along - np.sqrt(np.maximum(inside, 0)))[..., None] - away[i]) / radius
        lit = 110 + 110 * np.clip(0.5 + 0.5 * normal @ (np.array(light) / np.linalg.norm(light)), 0, 1)
        shape = (high[1] - low[1], sharper, high[0] - low[0], sharper)
        covered = (inside > 0).reshape(shape).mean(axis=(1, 3))
        grey = np.where(inside > 0, lit, 0).reshape(shape).mean(axis=(1, 3))
        patch = picture[low[1] : high[1], low[0] : high[0]]
        patch[:] = (1 - covered) * patch + grey
