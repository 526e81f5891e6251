"""Calibrate cameras from detected board corners, without the command line.

    python examples/04_calibrate_in_code.py

The corners are simulated; `calib.corners.corners.read_corners` reads those that `multiview calibrate detect` wrote.
"""

import numpy as np

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.solve.solve import solve
from multiview.synthetic.board import measure, placed_at_random, ring


def main() -> None:
    rng = np.random.default_rng(0)
    board = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
    rig = ring(cameras=3, radius=3.0, rng=rng)
    placed = placed_at_random(60, rng)
    seen = measure(rig, board.points, [placed] * len(rig), rng, sigma_px=0.3, outliers=0.02)
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, seen.camera, seen.frame, seen.frame / 25.0, seen.corner, seen.xy)

    calibration = solve(corners, board, offsets=False)
    print(f"{len(corners)} corners, {calibration.inlier.mean():.1%} inliers, rms {calibration.rms_px:.3f} px")
    for index, lens, sigma in zip(calibration.cameras, calibration.state.lenses, calibration.sigma, strict=True):
        true = rig.cameras[index].K[0, 0]
        print(f"{rig.names[index]}: focal length {lens.focal[0]:.1f} px (true {true:.1f}), corner noise {sigma:.2f} px")


if __name__ == "__main__":
    main()
