"""A small kernel with everything that ours ask of numba; `main` prints what it gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.struct_kernels import as_struct


class Points(NamedTuple):
    xyz: Float64[np.ndarray, "N 3"]
    weight: Float64[np.ndarray, " N"]


class Cameras(NamedTuple):
    R: Float64[np.ndarray, "C 3 3"]
    alive: Bool[np.ndarray, " C"]


class Scene(NamedTuple):
    points: Points
    cameras: Cameras
    rows: Int64[np.ndarray, "C N"]


class View(NamedTuple):
    points: Points
    R: Array
    scale: float


@inner
def rotated(view: View, n: int) -> tuple[float, float, float]:
    x, y, z = view.points.xyz[n, 0], view.points.xyz[n, 1], view.points.xyz[n, 2]
    R, k = view.R, view.scale
    return (
        k * (R[0, 0] * x + R[0, 1] * y + R[0, 2] * z),
        k * (R[1, 0] * x + R[1, 1] * y + R[1, 2] * z),
        k * (R[2, 0] * x + R[2, 1] * y + R[2, 2] * z),
    )


@kernel
def move(scene: Scene, scale: float) -> float:
    """Rotate the points of each camera's row in turn, count them in `rows`; the sum of weights over zero is inf."""
    points, cameras, rows = scene.points, scene.cameras, scene.rows
    moved = 0.0
    for c in range(cameras.R.shape[0]):
        if not cameras.alive[c]:
            rows[c] = -1
            continue
        view = View(points, cameras.R[c], scale)
        for n in range(rows.shape[1]):
            x, y, z = rotated(view, n)
            row = points.xyz[n : n + 1].reshape(-1)
            row[0], row[1], row[2] = x, y, z
            rows[c, n] += 1
            moved += points.weight[n]
    points.weight[:] = moved
    return points.weight.sum() / 0.0


def scene() -> Scene:
    """Two points; of three cameras the second is not alive."""
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    cameras = Cameras(np.stack([turn, turn, turn]), np.array([True, False, True]))
    points = Points(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([0.5, 0.25]))
    return Scene(points, cameras, np.zeros((3, 2), np.int64))


def main() -> None:
    """Two quarter turns, each by twice the size."""
    all_of_it = scene()
    total = move(as_struct(all_of_it), 2.0)
    print(total, *(array.tolist() for array in (all_of_it.points.xyz, all_of_it.points.weight, all_of_it.rows)))
