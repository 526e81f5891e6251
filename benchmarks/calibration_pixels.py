"""From pixels to a rig: a waved board rendered for four cameras, written as video, detected and solved.

    python benchmarks/calibration_pixels.py [--cameras 4] [--frames 60]

Prints the error of the corners in pixels, and of triangulated points in mm after a rigid alignment.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from calib.board.board import Board
from calib.corners.detect import detect
from calib.corners.pictures import video
from calib.solve.solve import solve
from calib.solve.uncertainty import triangulated
from multiview.cameras.camera import Rig
from multiview.geometry.bundle import BundleState
from multiview.geometry.rigid import alignment
from multiview.synthetic.board import render, ring, waved

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the videos (default: a temporary one)")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rig = ring(args.cameras, radius=2.2, size=(1280, 720), focal=800.0, rng=rng)
    R, t = waved(np.arange(args.frames) / 6.0, rng, reach=0.45)
    with tempfile.TemporaryDirectory() as folder:
        files = write_videos(args.keep or Path(folder), rig, R, t, rng)
        found = detect([video(file) for file in files], BOARD)
    corners = found.corners
    off = []
    for c, camera in enumerate(rig.cameras):
        own = corners.camera == c
        points = BOARD.points[corners.corner[own]]
        frames = corners.frame[own]
        truth = camera.project(np.einsum("nij,nj->ni", R[frames], points) + t[frames])
        off.append(corners.xy[own] - truth)
    everything = np.concatenate(off)
    print(
        f"{len(everything)} corners, error {everything.std():.3f} px per axis, mean {everything.mean(axis=0).round(3)}"
    )
    result = solve(corners, BOARD)
    print(f"RMS {result.rms_px:.3f} px over {100 * result.inlier.mean():.2f} %, {[i.model for i in result.intrinsics]}")
    used = Rig(tuple(rig.cameras[c] for c in result.cameras))
    print(f"triangulation RMS {triangulation_rms(used, result.state, t):.3f} mm; {len(used)} of {len(rig)} cameras")
    print(f"offsets {np.round(1000 * result.time_offset, 2)} ms, true 0")


def write_videos(folder: Path, rig: Rig, R: np.ndarray, t: np.ndarray, rng: np.random.Generator) -> list[Path]:
    texture = BOARD.picture(160)
    files = []
    for camera in rig.cameras:
        files.append(folder / f"{camera.name}.avi")
        writer = cv2.VideoWriter(str(files[-1]), cv2.VideoWriter_fourcc(*"MJPG"), 6.0, camera.size, False)
        writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
        for pose in zip(R, t, strict=True):
            writer.write(render(camera, texture, 0.7, *pose, rng))
        writer.release()
    return files


def triangulation_rms(rig: Rig, state: BundleState, board: np.ndarray) -> float:
    low, high = board.min(axis=0), board.max(axis=0)
    axes = [np.linspace(a, b, 6) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    pixels = [camera.project(points) for camera in rig.cameras]
    seen = np.stack([((xy >= 0) & (xy < c.size)).all(axis=1) for xy, c in zip(pixels, rig.cameras, strict=True)])
    kept = seen.sum(axis=0) >= 2
    found = triangulated(state, [xy[kept] for xy in pixels], seen[:, kept])
    rotation, shift = alignment(found, points[kept])
    return float(1000 * np.sqrt((np.linalg.norm(found @ rotation.T + shift - points[kept], axis=1) ** 2).mean()))


if __name__ == "__main__":
    main()
