"""Cameras out of step by up to 1.5 frames while a board is waved: how well their offsets are found, in frames.

python benchmarks/calibration_timing.py [--seeds 10]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.solve.solve import solve
from multiview.synthetic.board import measure, ring, waved

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--outliers", type=float, default=0.05)
    args = parser.parse_args()
    print("seed  worst error, frames  reported sigma  rms px  inliers (true)   s")
    worst = []
    for seed in range(args.seeds):
        rng = np.random.default_rng(seed)
        rig = ring(rng=rng)
        offsets = np.append(0.0, rng.uniform(-1.5, 1.5, len(rig) - 1)) / args.fps
        stamps = np.arange(300) / args.fps
        truth = np.random.default_rng(seed + 1000)
        poses = [waved(stamps + offset, np.random.default_rng(seed + 1000)) for offset in offsets]
        m = measure(rig, BOARD.points, poses, truth, outliers=args.outliers)
        sizes = tuple(camera.size for camera in rig.cameras)
        corners = Corners(rig.names, sizes, m.camera, m.frame, stamps[m.frame], m.corner, m.xy)
        start = time.perf_counter()
        found = solve(corners, BOARD)
        seconds = time.perf_counter() - start
        error = np.abs(found.time_offset - offsets[list(found.cameras)]).max() * args.fps
        worst.append(error)
        print(
            f"{seed:4d}{error:21.4f}{found.offset_sigma.max() * args.fps:16.4f}{found.rms_px:8.3f}"
            f"{found.inlier.mean():9.4f} ({(~m.outlier).mean():.4f}){seconds:6.2f}",
            flush=True,
        )
    print(f"worst of all: {max(worst):.4f} frame")


if __name__ == "__main__":
    main()
