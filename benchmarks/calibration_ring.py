"""A ring of cameras that look outward, of which only neighbours share views: does the loop close, and how fast.

python benchmarks/calibration_ring.py [--cameras 16] [--poses 400]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.report.outcome import judge
from calib.solve.solve import solve
from multiview.cameras.camera import Camera, Rig
from multiview.geometry.rigid import alignment, rotation_from_vector
from multiview.synthetic.board import measure

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")


def outward_ring(cameras: int, rng: np.random.Generator) -> Rig:
    """Cameras back to back on a circle of 1 m, with fields of view that overlap with the next one's only."""
    made = []
    focal = 960 / np.tan(1.9 * np.pi / cameras)
    for i in range(cameras):
        angle = 2 * np.pi * i / cameras
        forward = np.array([np.cos(angle), np.sin(angle), 0])
        R = np.stack([np.cross(forward, [0, 0, 1]), [0, 0, -1.0], forward])
        R = rotation_from_vector(rng.normal(0, 0.02, 3)) @ R
        centre = forward + rng.normal([0, 0, 1.5], 0.03)
        K = np.array([[focal, 0, 960 + rng.normal(0, 8)], [0, focal, 540 + rng.normal(0, 8)], [0, 0, 1]])
        dist = np.array([-0.1, 0.03, 5e-4, -5e-4, -0.005]) * rng.uniform(0.8, 1.2, 5)
        made.append(Camera(f"cam{i + 1:02d}", (1920, 1080), K, dist, R, -R @ centre))
    return Rig(tuple(made))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--poses", type=int, default=400)
    parser.add_argument("--outliers", type=float, default=0.05)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rig = outward_ring(args.cameras, rng)
    angle = rng.uniform(0, 2 * np.pi, args.poses)
    outward = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    facing = np.stack([np.stack([np.cross(o, [0, 0, 1]), [0, 0, -1.0], o], axis=1) for o in outward])
    R = facing @ rotation_from_vector(rng.normal(0, 0.35, (args.poses, 3)))
    t = (
        outward * rng.uniform(3.0, 4.5, (args.poses, 1))
        + [0, 0, 1.5]
        + rng.normal(0, [0.1, 0.1, 0.35], (args.poses, 3))
    )
    m = measure(rig, BOARD.points, [(R, t)] * len(rig), rng, outliers=args.outliers)
    corners = Corners(rig.names, tuple(c.size for c in rig.cameras), m.camera, m.frame, m.frame / 30, m.corner, m.xy)
    start, cpu = time.perf_counter(), time.process_time()
    found = solve(corners, BOARD)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    outcome = judge(found, corners)
    truth = np.stack([rig.cameras[c].centre for c in found.cameras])
    centres = np.stack([camera.centre for camera in outcome.rig.cameras])
    rotation, shift = alignment(centres, truth)
    error = 1000 * np.linalg.norm(centres @ rotation.T + shift - truth, axis=1)
    shares = sorted({link.boards for link in outcome.links})
    print(
        f"{len(found.cameras)} of {len(rig)} cameras, {len(corners)} corners, {len(outcome.links)} pairs share boards"
    )
    print(f"boards shared by a pair {shares[0]} to {shares[-1]}; loops checked {len(found.loops)}")
    print(f"camera positions off by {error.mean():.2f} mm, worst {error.max():.2f} mm; RMS {found.rms_px:.3f} px")
    print(f"{seconds:.1f} s ({cpu:.1f} s of one core)")


if __name__ == "__main__":
    main()
