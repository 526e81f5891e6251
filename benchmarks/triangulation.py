"""Triangulation alone: ours against OpenCV's and aniposelib's, on the same points, outliers and all.

    python -m benchmarks triangulation [--points 500] [--cameras 5]

Errors are of the points that two or more good rays determine. aniposelib is compared where it is installed
(`pip install --no-deps "aniposelib<0.8" toml tqdm pandas`; it is not a dependency).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float64
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.baseline import triangulate_dlt
from benchmarks.timing import best_of
from benchmarks.wide import wide_console
from multiview.cameras.camera import Rig
from multiview.geometry.triangulate import triangulate
from multiview.synthetic import StudioOptions, make_studio

__all__ = ["add_arguments", "run"]

Pixels = Float64[np.ndarray, "N C 2"]
Points = Float64[np.ndarray, "N 3"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--points", type=int, default=500, help="how many (500)")
    parser.add_argument("--cameras", type=int, default=5, help="how many (5)")
    parser.add_argument("--outliers", type=float, default=0.03, help="share of 50 to 200 px (0.03)")


def run(args: argparse.Namespace) -> int:
    rig, truth, xy, good = _points(args.points, args.cameras, args.outliers)
    methods: dict[str, Callable[[Pixels], Points]] = {
        "multiview": lambda xy: _ours(rig, xy),
        "batched SVD DLT": lambda xy: _dlt(rig, xy),
        "OpenCV triangulatePoints, median over pairs": lambda xy: _opencv(rig, xy),
        **_aniposelib(rig),
    }
    table = Table(title=f"{len(truth)} points, {args.cameras} cameras", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("method", "us per point", "x", "median mm", "p99 mm", "worst mm"):
        table.add_column(name, justify="left" if name == "method" else "right")
    fastest: float | None = None
    for name, method in methods.items():
        best_of(1, lambda method=method: method(xy[:20]))  # type: ignore[misc]  # compiles, where it must
        once = best_of(1, lambda method=method: method(xy))  # type: ignore[misc]
        again = once if once > 500 else best_of(5, lambda method=method: method(xy))  # type: ignore[misc]
        each = min(once, again) / len(xy) * 1e3
        fastest = fastest or each
        error = 1e3 * np.linalg.norm(method(xy) - truth, axis=-1)[good]
        median, p99, worst = np.nanpercentile(error, [50, 99, 100])
        table.add_row(name, f"{each:.1f}", f"{each / fastest:.1f}", f"{median:.1f}", f"{p99:.0f}", f"{worst:.0f}")
    wide_console().print(table)
    return 0


def _points(count: int, cameras: int, outliers: float) -> tuple[Rig, Points, Pixels, np.ndarray]:
    studio = make_studio(
        StudioOptions(cameras=cameras, people=4, seconds=count / 17 / 4 / 30 + 0.1, outliers=outliers, merged=0)
    )
    truth = studio.truth
    row = (truth.frame, truth.actor)
    seen = [studio.observations(camera) for camera in range(cameras)]
    xy = np.stack([s.xy[row] for s in seen], axis=-2).reshape(-1, cameras, 2)
    bad = np.stack([s.outlier[row] | s.swapped[row][:, None] for s in seen], axis=-1).reshape(-1, cameras)
    good = (np.isfinite(xy[..., 0]) & ~bad).sum(axis=1) >= 3
    return studio.rig, truth.xyz.reshape(-1, 3)[:count], xy[:count], good[:count]


def _ideal(rig: Rig, xy: Pixels) -> Pixels:
    columns = [cv2.undistortPoints(xy[:, c, None], camera.K, camera.dist) for c, camera in enumerate(rig.cameras)]
    return np.concatenate(columns, axis=1)


def _ours(rig: Rig, xy: Pixels) -> Points:
    R, t = np.stack([camera.R for camera in rig.cameras]), np.stack([camera.t for camera in rig.cameras])
    focal = np.array([camera.K[0, 0] for camera in rig.cameras])
    cov = np.broadcast_to((4.0 / focal[:, None, None]) ** 2 * np.eye(2), (*xy.shape[:2], 2, 2))
    return triangulate(_ideal(rig, xy), cov, R, t).xyz


def _dlt(rig: Rig, xy: Pixels) -> Points:
    P = np.stack([np.column_stack([camera.R, camera.t]) for camera in rig.cameras])
    ideal = _ideal(rig, xy)
    seen = np.isfinite(ideal[..., 0])
    equations = np.where(seen[..., None, None], ideal[..., None] * P[:, None, 2] - P[:, :2], 0.0)
    return triangulate_dlt(equations.reshape(len(xy), -1, 4))


def _opencv(rig: Rig, xy: Pixels) -> Points:
    ideal = _ideal(rig, xy)
    P = [np.column_stack([camera.R, camera.t]) for camera in rig.cameras]
    pairs = []
    for a, b in itertools.combinations(range(len(rig)), 2):
        homogeneous = cv2.triangulatePoints(P[a], P[b], ideal[:, a].T, ideal[:, b].T)
        both = np.isfinite(ideal[:, [a, b]]).all(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs.append(np.where(both[:, None], (homogeneous[:3] / homogeneous[3]).T, np.nan))
    every = np.stack(pairs)
    known = np.isfinite(every).any(axis=0)
    median = np.full(every.shape[1:], np.nan)
    median[known] = np.nanmedian(np.where(known, every, 0.0), axis=0)[known]
    return median


def _aniposelib(rig: Rig) -> dict[str, Callable[[Pixels], Points]]:
    try:
        from aniposelib import cameras as anipose
    except ImportError as error:
        Console(stderr=True).print(f"aniposelib is left out: {error}")
        return {}
    group = anipose.CameraGroup(
        [
            anipose.Camera(
                matrix=c.K, dist=c.dist, size=c.size, rvec=cv2.Rodrigues(c.R)[0].ravel(), tvec=c.t, name=c.name
            )
            for c in rig.cameras
        ]
    )

    def quietly(method: Callable[..., object], xy: Pixels) -> Points:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            result = method(np.ascontiguousarray(xy.swapaxes(0, 1)))
        return np.asarray(result[0] if isinstance(result, tuple) else result)

    return {
        "aniposelib triangulate": lambda xy: quietly(group.triangulate, xy),
        "aniposelib triangulate_ransac": lambda xy: quietly(group.triangulate_ransac, xy),
    }
