"""How close calibration comes to what the corners allow: errors against exact truth, beside the Cramer-Rao bound.

    python benchmarks/calibration_accuracy.py [--seeds 10] [--outliers 0 0.05 0.2]

Six cameras on a ring of 4 m, 1920x1080, distorted lenses, a 7x5 board of 100 mm in 200 poses, 0.3 px of noise. Errors
are taken after a rigid alignment without scale. The bound is that of the true inlier corners: the same errors, drawn
from the inverse of their Fisher information. The last column is the mean square of the errors of the relative camera
poses, normalised by the covariance that was reported, per degree of freedom (1 is right).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.solve.solve import Calibration, solve
from calib.solve.uncertainty import relative_pose_covariance, triangulated
from multiview.cameras.camera import Rig
from multiview.geometry.bundle import Bundle, BundleState, Lens
from multiview.geometry.rigid import alignment, rotation_angle, transform, vector_from_rotation
from multiview.synthetic.board import MeasuredCorners, measure, placed_at_random, ring

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
SIGMA, FRAMES = 0.3, 200


@dataclass
class Case:
    rig: Rig
    poses: tuple[np.ndarray, np.ndarray]
    measured: MeasuredCorners
    corners: Corners


def make_case(seed: int, outliers: float) -> Case:
    rng = np.random.default_rng(seed)
    rig = ring(rng=rng)
    poses = placed_at_random(FRAMES, rng)
    m = measure(rig, BOARD.points, [poses] * len(rig), rng, SIGMA, outliers)
    sizes = tuple(camera.size for camera in rig.cameras)
    return Case(rig, poses, m, Corners(rig.names, sizes, m.camera, m.frame, m.frame / 25.0, m.corner, m.xy))


def true_bundle(case: Case) -> tuple[Bundle, BundleState]:
    """The bundle at the truth, with the true inliers and the true noise."""
    m, rig, n = case.measured, case.rig, len(BOARD.points)
    keys, view = np.unique(np.stack([m.camera, m.frame]), axis=1, return_inverse=True)
    xy, weight = np.zeros((keys.shape[1], n, 2)), np.zeros((keys.shape[1], n))
    xy[view, m.corner], weight[view, m.corner] = m.xy, ~m.outlier / SIGMA
    middle = BOARD.points.mean(axis=0)
    free = tuple(np.ones(4 + len(c.dist), dtype=bool) for c in rig.cameras)
    moving = np.arange(len(rig)) > 0
    bundle = Bundle(BOARD.points - middle, keys[0], keys[1], xy, weight, free, moving, moving & False)
    lenses = tuple(Lens(np.array([c.K[0, 0], c.K[1, 1], *c.K[:2, 2]]), c.dist, c.model) for c in rig.cameras)
    R, t = np.stack([c.R for c in rig.cameras]), np.stack([c.t for c in rig.cameras])
    board_R, board_t = case.poses
    return bundle, BundleState(lenses, R, t, np.zeros(len(rig)), board_R, transform(board_R, board_t, middle))


def errors(rig: Rig, state: BundleState, points: np.ndarray) -> tuple[float, float, float]:
    """Triangulation RMS mm, mean position error mm, mean rotation error deg, after alignment of the cameras' points."""
    pixels = [camera.project(points) for camera in rig.cameras]
    seen = np.stack([((xy >= 0) & (xy < c.size)).all(axis=1) for xy, c in zip(pixels, rig.cameras, strict=True)])
    found = triangulated(state, pixels, seen)
    R, t = alignment(found, points)
    rms = np.sqrt((np.linalg.norm(found @ R.T + t - points, axis=1) ** 2).mean())
    centres = -np.einsum("cji,cj->ci", state.R, state.t)
    truth = np.stack([camera.centre for camera in rig.cameras])
    position = np.linalg.norm(centres @ R.T + t - truth, axis=1).mean()
    true_R = np.stack([camera.R for camera in rig.cameras])
    rotation = rotation_angle(state.R @ R.T @ np.swapaxes(true_R, -1, -2))
    return 1000 * rms, 1000 * position, float(np.rad2deg(rotation).mean())


def volume() -> np.ndarray:
    x, y, z = np.mgrid[-1:1:7j, -1:1:7j, 0.3:1.9:5j]
    return np.column_stack([x.ravel(), y.ravel(), z.ravel()])


def bound(case: Case, draws: int = 60) -> np.ndarray:
    """Mean of `errors` under the Cramer-Rao covariance."""
    bundle, state = true_bundle(case)
    covariance = bundle.linearised(state).shared_covariance()
    rng = np.random.default_rng(1)
    values, vectors = np.linalg.eigh(covariance)
    still = np.zeros((len(state.target_R), 6))
    found = []
    for _ in range(draws):
        step = vectors @ (np.sqrt(np.maximum(values, 0)) * rng.normal(size=len(values)))
        found.append(errors(case.rig, bundle.moved(state, step, still), volume()))
    return np.array(found).mean(axis=0)


def normalised_square(case: Case, found: Calibration) -> float:
    """Mean square, per degree of freedom, of the errors of cam_i_from_cam_0."""
    total = []
    for i in range(1, len(found.cameras)):
        (R, t), covariance = relative_pose_covariance(found, i, 0)
        a, b = case.rig.cameras[found.cameras[i]], case.rig.cameras[found.cameras[0]]
        true_R = a.R @ b.R.T
        true_t = a.t - true_R @ b.t
        error = np.concatenate([vector_from_rotation(R @ true_R.T), t - true_t])
        total.append(error @ np.linalg.solve(covariance, error) / 6)
    return float(np.mean(total))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--outliers", type=float, nargs="*", default=[0.0, 0.05, 0.2])
    args = parser.parse_args()
    print(f"{'':9}{'triangulation mm':^24}{'position mm':^24}{'rotation deg':^24}{'inlier':>9}{'time':>7}{'NEES':>7}")
    print(f"{'outliers':9}" + f"{'found':>8}{'bound':>8}{'worst x':>8}" * 3 + f"{'share err':>9}{'s':>7}")
    for share in args.outliers:
        rows, bounds, shares, seconds, squares = [], [], [], [], []
        for seed in range(args.seeds):
            case = make_case(seed, share)
            start = time.perf_counter()
            found = solve(case.corners, BOARD)
            seconds.append(time.perf_counter() - start)
            rows.append(errors(case.rig, found.state, volume()))
            bounds.append(bound(case))
            shares.append(abs(found.inlier.mean() - (~case.measured.outlier).mean()))
            squares.append(normalised_square(case, found))
        got, least = np.array(rows), np.array(bounds)
        columns = "".join(
            f"{got[:, k].mean():8.3f}{least[:, k].mean():8.3f}{(got[:, k] / least[:, k]).max():8.2f}" for k in range(3)
        )
        print(f"{share:<9.2f}{columns}{max(shares):9.4f}{np.median(seconds):7.2f}{np.mean(squares):7.2f}", flush=True)


if __name__ == "__main__":
    main()
